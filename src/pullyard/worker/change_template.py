"""The repository's own template for the text of a change, as its base branch has it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pullyard.git.names import check_object_id
from pullyard.git.program import Git

TEMPLATE_BYTES = 32 << 10
_NAMES = ("pull_request_template.md", "PULL_REQUEST_TEMPLATE.md")
_EVERYWHERE = ("", "docs/")
TEMPLATE_PLACES: Mapping[str, Sequence[str]] = {
    "github": [place + name for place in (".github/", *_EVERYWHERE) for name in _NAMES],
    "gitea": [
        place + name for place in (".forgejo/", ".gitea/", ".github/", *_EVERYWHERE) for name in _NAMES
    ],
    "gitlab": [".gitlab/merge_request_templates/Default.md", ".gitlab/merge_request_templates/default.md"],
}
"""By the forge's name, the first that is there counts; the other forges have none."""
_FILE_MODES = ("100644", "100755")
# What is only for whoever fills it in; one that is never closed goes on to the end, as it does for a forge.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


async def read_template(git: Git, repository: Path, commit: str, places: Sequence[str]) -> str:
    """Empty where there is none, or none that a text could hold. Raises GitFailed."""
    words = ("ls-tree", "-z", "--full-tree", check_object_id(commit), "--", *places)
    listed = (await git.ok(*words, git_dir=repository)).decode("utf-8", "replace")
    found: dict[str, str] = {}
    for line in filter(None, listed.split("\0")):
        facts, _, name = line.partition("\t")
        mode, _, blob = facts.split(" ")
        if mode in _FILE_MODES:
            found[name] = check_object_id(blob)
    name = next((one for one in places if one in found), None)
    if name is None:
        return ""
    blob = await git.run("cat-file", "blob", found[name], git_dir=repository, limit_bytes=TEMPLATE_BYTES)
    if blob.exit_code or blob.truncated:
        return ""
    text = _COMMENT.sub("", blob.stdout.decode("utf-8", "replace"))
    return re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n")).strip()
