"""Which changed paths a project protects: however a forge, a file system or a person may spell them."""

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import translate

Pattern = tuple[bool, tuple[re.Pattern[str], ...]]
"""Whether it is meant from the top on, and its names."""


def folded(name: str) -> str:
    """A name as the most lenient of file systems reads it: no case, one spelling, no invisible letters."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold()
    return unicodedata.normalize("NFC", plain).rstrip(". ") or plain


class GuardedPaths:
    """``patterns`` as in ``protocol.isolation.DEFAULT_PROTECTED_PATHS``."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [pattern for line in patterns if (pattern := _compile(line))]

    def covers(self, path: bytes) -> bool:
        """Whether a change of this file or link, or the removal of this directory, touches what is guarded.

        So does whatever stands where a guarded directory's parent was: it may lead, or be renamed, anywhere.
        """
        names = [folded(name) for name in path.decode("utf-8", "surrogateescape").split("/") if name]
        return any(_covers(pattern, names) for pattern in self._patterns)


def _compile(line: str) -> Pattern | None:
    names = [folded(name) for name in line.split("/") if name not in ("", ".")]
    from_top = len(names) > 1 or line.startswith("/")
    if names[:1] == ["**"]:
        names, from_top = names[1:], False
    if not names:
        return None
    # Sets of letters are no part of the language.
    return from_top, tuple(re.compile(translate(name.replace("[", "[[]"))) for name in names)


def _covers(pattern: Pattern, names: Sequence[str]) -> bool:
    from_top, wanted = pattern
    return any(
        all(one.match(name) for one, name in zip(wanted, names[start:], strict=False))
        for start in (range(1) if from_top else range(len(names)))
    )
