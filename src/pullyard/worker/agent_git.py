"""The ``.git`` that an agent finds: plain files, no process. The harvest ignores whatever becomes of it."""

import shutil
from pathlib import Path
from typing import Protocol

from pullyard.git.bare import object_format
from pullyard.worker.mirrors import Mirror

MAX_TAGS = 10_000
CONFIG = """\
[core]
\trepositoryformatversion = {version}
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
\tcheckStat = minimal
\ttrustctime = false
[gc]
\tauto = 0
[user]
\tname = Pullyard agent
\temail = agent@pullyard.invalid
"""


class Begun(Protocol):
    @property
    def commit(self) -> str: ...
    @property
    def base_branch(self) -> str: ...
    @property
    def branch(self) -> str: ...
    @property
    def objects_inside(self) -> str: ...


def make_agent_git(
    target: Path, mirror: Mirror, start: Begun, index: Path, *, head: str | None = None
) -> None:
    """``head`` is the commit of ``start.branch``; None puts it at the base."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (target / folder).mkdir(parents=True)
    sha256 = object_format(start.commit) == "sha256"
    config = CONFIG.format(version=1 if sha256 else 0)
    (target / "config").write_text(config + ("[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""))
    (target / "HEAD").write_text(f"ref: refs/heads/{start.branch}\n")
    (target / "objects" / "info" / "alternates").write_text(f"{start.objects_inside}\n")
    references = {
        f"refs/heads/{start.base_branch}": start.commit,
        f"refs/remotes/origin/{start.base_branch}": start.commit,
        f"refs/heads/{start.branch}": head or start.commit,
    }
    if len(mirror.listing.tags) <= MAX_TAGS:
        references |= {f"refs/tags/{name}": value for name, value in mirror.listing.tags.items()}
    # Packed, because a branch may be called like the directory of another one's file.
    lines = [f"{value} {name}\n" for name, value in sorted(references.items())]
    (target / "packed-refs").write_text("".join(lines))
    shutil.copyfile(index, target / "index")
