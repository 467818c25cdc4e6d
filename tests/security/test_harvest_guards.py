"""What the agent may change only under a person's eyes, and what only looks harmless in a commit."""

from pathlib import Path

import pytest

from pullyard.protocol.isolation import DEFAULT_PROTECTED_PATHS
from pullyard.worker.guarded_paths import GuardedPaths
from pullyard.worker.harvest_rules import HarvestRefused, leads_out
from tests.repositories import git_in
from tests.workbench import Workbench

POINTER = "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 12345\\n' {} >{}"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench.make(tmp_path)


def commit(bench: Workbench, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = bench.repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git_in(bench.repository, "add", "-A")
    git_in(bench.repository, "commit", "-qm", "More files")


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GITHUB/Workflows/deep/er.yml",
        ".git\u200chub/workflows/ci.yml",
        ".github./workflows /x",
        ".\uff47ithub/workflows/x",
        # Whatever stands in the place of a guarded directory's parent, or takes it away.
        ".github",
        ".github/workflows",
        "services/api/Jenkinsfile",
        "libs/.gitlab-ci.yml",
        "lib/CODEOWNERS",
        ".gitmodules",
        "deep/.gitattributes",
    ],
)
def test_every_spelling_of_a_protected_path(path: str) -> None:
    assert GuardedPaths(DEFAULT_PROTECTED_PATHS).covers(path.encode())


@pytest.mark.parametrize(
    "path", [".github/ISSUE_TEMPLATE.md", "docs/.github/workflows/x", "Jenkinsfile.md", "github/workflows/x"]
)
def test_what_is_not_protected(path: str) -> None:
    assert not GuardedPaths(DEFAULT_PROTECTED_PATHS).covers(path.encode())


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("infra/*.tf", "infra/main.tf", True),
        ("infra/*.tf", "infra/deep/main.tf", False),
        ("*.pem", "a/b/c.PEM", True),
        ("**/secrets/", "a/b/secrets/x", True),
        ("/Makefile", "Makefile", True),
        ("/Makefile", "lib/Makefile", False),
        ("a[b]c", "a[b]c", True),
        ("a[b]c", "abc", False),
        ("/", "x", False),
        ("*" * 200 + "x", "y" * 3000, False),
    ],
)
def test_the_language_of_patterns(pattern: str, path: str, *, covered: bool) -> None:
    assert GuardedPaths([pattern]).covers(path.encode()) == covered


@pytest.mark.attack("verify: files of continuous integration", backend="bubblewrap")
async def test_changes_that_steer_machines_wait_or_are_told(bench: Workbench) -> None:
    work = await bench.work(
        "mkdir -p .github/workflows .claude; echo x | tee .github/workflows/ci.yml >.claude/settings.json; "
        "echo '{}' >.mcp.json; echo x >fine; chmod +x src/app.py; chmod 7777 fine"
    )
    assert work is not None
    assert work.protected == (".github/workflows/ci.yml",)
    assert [line.split(" ")[0] for line in work.notable] == [
        ".claude/settings.json",
        ".github/workflows/ci.yml",
        ".mcp.json",
        "src/app.py",
    ]
    modes = git_in(work.repository, "ls-tree", "-r", "--format=%(objectmode)", work.commit).split()
    assert set(modes) <= {"100644", "100755"}


@pytest.mark.attack("verify: files of continuous integration", backend="bubblewrap")
@pytest.mark.parametrize(
    "script",
    [
        "rm -r .github",
        "rm -r .github; ln -s src .github",
        "rm -r .github; echo x >.github",
        "git mv .github/workflows/ci.yml harmless.yml",
        "chmod +x .github/workflows/ci.yml",
    ],
)
async def test_taking_a_protected_path_away_waits_as_well(bench: Workbench, script: str) -> None:
    commit(bench, {".github/workflows/ci.yml": "on: push\n", ".github/x": "x"})
    work = await bench.work(script)
    assert work is not None
    assert work.protected


@pytest.mark.attack("paths: links out of the workspace", backend="bubblewrap")
@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../x", "a/../../x", "C:/x", "\\\\host\\x", ".git/config"]
)
async def test_a_link_out_of_the_repository_waits(bench: Workbench, target: str) -> None:
    work = await bench.work(f"mkdir -p src; ln -s '{target}' out; ln -s ../run.sh src/in")
    assert work is not None
    (said,) = work.protected
    assert said.startswith("out (a link out of the repository")
    assert leads_out(b"out", target.encode())


@pytest.mark.attack("git: Git LFS", backend="bubblewrap")
async def test_a_new_lfs_pointer_is_refused_and_an_old_one_may_move(bench: Workbench) -> None:
    with pytest.raises(HarvestRefused, match=r"'fake\.bin' is a new Git LFS pointer"):
        await bench.work(POINTER.format(1, "fake.bin"))
    old = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n"
    commit(bench, {"lib/big.bin": old})
    work = await bench.work("mkdir assets; mv lib/big.bin assets/; echo x >>README.md")
    assert work is not None
    with pytest.raises(HarvestRefused, match=r"big\.bin"):
        await bench.work(POINTER.format(2, "lib/big.bin"))


@pytest.mark.attack("git: Git LFS", backend="bubblewrap")
async def test_what_belongs_into_lfs_waits_and_no_filter_runs(bench: Workbench) -> None:
    old = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n"
    commit(bench, {".gitattributes": "*.bin filter=lfs -text\n", "a.bin": old, "b.bin": old})
    work = await bench.work("echo the content itself >a.bin; echo x >c.txt; : >empty.bin; rm b.bin")
    assert work is not None
    assert work.protected == ("a.bin (belongs into Git LFS, and would be published without it)",)
    assert git_in(work.repository, "show", f"{work.commit}:a.bin") == "the content itself"


@pytest.mark.attack("git: names that collide", backend="bubblewrap")
@pytest.mark.parametrize(
    "script",
    [
        "echo x >readme.MD",
        "mkdir SRC; echo x >SRC/other.py",
        "echo x >\"$(printf 'caf\\303\\251')\"; echo x >\"$(printf 'cafe\\314\\201')\"",
        "mkdir new; echo x >new/A; echo x >new/a",
    ],
)
async def test_names_that_collide_on_other_file_systems_are_refused(bench: Workbench, script: str) -> None:
    with pytest.raises(HarvestRefused, match="same name on some file systems"):
        await bench.work(script)


async def test_the_bases_own_collisions_and_a_changed_case_pass(bench: Workbench) -> None:
    commit(bench, {"dir/A": "x", "dir/a": "y"})
    work = await bench.work("echo more >>dir/A; mv README.md Readme.md; echo x >dir/b")
    assert work is not None
    assert {file.path for file in work.diffstat.files} == {"dir/A", "dir/b", "Readme.md"}
