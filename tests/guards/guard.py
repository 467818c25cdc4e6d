"""One guard of the sources, and what has to notice that it is gone."""

from dataclasses import dataclass
from pathlib import Path

import pullyard

SOURCES = Path(pullyard.__file__).parent
GIT, MACHINE, NETWORK = (
    f"tests/security/test_attacks_on_{name}.py" for name in ("git", "machine", "network")
)


@dataclass(frozen=True)
class Guard:
    """``old`` stands once in the source ``file``; with ``new`` in its place the guard is gone."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    only: str = ""
    """As pytest's ``-k`` has it."""
    also: tuple[tuple[str, str], ...] = ()
    """Where two stand for one another, both go."""

    def removed(self) -> str:
        """The source without it. Raises LookupError where the guard has changed."""
        text = (SOURCES / self.file).read_text()
        for old, new in ((self.old, self.new), *self.also):
            if text.count(old) != 1:
                raise LookupError(f"{self.file} has {old!r} {text.count(old)} times.")
            text = text.replace(old, new)
        return text
