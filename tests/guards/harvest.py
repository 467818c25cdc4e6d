"""What keeps hostile repositories from the worker and from others."""

from tests.guards.guard import GIT, Guard

RULES = "worker/harvest_rules.py"

GUARDS = (
    Guard(
        "the harvest's own configuration",
        "worker/harvest_script.py",
        'cat >"$GIT_DIR/index"',
        'cat "$work/.git/config" >>"$GIT_DIR/config"; cat >"$GIT_DIR/index"',
        GIT,
        "poisoned and bubblewrap",
    ),
    Guard(
        "spellings of .git",
        RULES,
        '        if re.fullmatch(r"\\.git|git~\\d+", part.rstrip(". ")):\n            return True\n',
        "        del part\n",
        "tests/security/test_harvest_attacks.py",
        "spelling_of_dot_git or no_honest_git",
    ),
    Guard("collisions", RULES, "    if not added:\n", "    if added:\n", GIT, "collide and bubblewrap"),
    Guard(
        "links out",
        RULES,
        "    place = path.split",
        "    return False\n    place = path.split",
        GIT,
        "look_at and links and bubblewrap",
    ),
    Guard(
        "protected paths",
        "worker/guarded_paths.py",
        "        return any(_covers(pattern, names) for pattern in self._patterns)",
        "        return not names",
        GIT,
        "look_at and continuous and docker",
    ),
    Guard(
        "pointers of LFS",
        "worker/harvest_contents.py",
        "        if content is not None and POINTER.match(content):",
        "        if content is None:",
        GIT,
        "LFS and bubblewrap",
    ),
    Guard(
        "the bound on a pack",
        "worker/harvest.py",
        '                f"--max-input-size={limits.pack_bytes}",\n',
        "",
        "tests/integration/test_harvest.py",
        "packed",
    ),
    Guard(
        "the bound on changed files",
        RULES,
        "        if self.files > self.limits.files:",
        "        if self.files > self.limits.files**2:",
        "tests/security/test_harvest_attacks.py",
        "ten_to_the_tenth",
    ),
)
