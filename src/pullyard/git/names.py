"""Names of branches and objects, checked before they reach a command line."""

import re
import unicodedata

from pullyard.protocol.errors import RequestError

MAX_BRANCH_BYTES = 200
SLUG_LENGTH = 40

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def check_branch(name: str) -> str:
    """Return ``name`` where git accepts it as a branch, by the rules of git-check-ref-format.

    Stricter than git: no leading dash, not ``HEAD``, not under ``refs/``. Raises RequestError.
    """
    legal = (
        0 < len(name.encode("utf-8", "surrogatepass")) <= MAX_BRANCH_BYTES
        and not _FORBIDDEN.search(name)
        and not name.startswith(("-", "refs/"))
        and not name.endswith(".")
        and name not in ("@", "HEAD")
        and all(map(is_branch_part, name.split("/")))
        and not any(unicodedata.category(letter) == "Cs" for letter in name)
    )
    if not legal:
        raise RequestError(
            f"{name[:80]!r} can't be a branch: use letters, digits, dots, dashes and single slashes.",
            code="invalid-branch",
        )
    return name


def is_branch_part(part: str) -> bool:
    """Between two slashes."""
    return bool(part) and not part.startswith(".") and not part.endswith(".lock")


def check_object_id(text: str) -> str:
    """Return ``text`` where it is a full object id: an empty one would turn a push into a deletion."""
    if not _OBJECT_ID.fullmatch(text):
        raise RequestError(
            f"{text[:80]!r} is not an object id: give all of its 40 or 64 hex digits.",
            code="invalid-object-id",
        )
    return text


def branch_slug(title: str) -> str:
    """A short part of a branch name made from any text: ``[a-z0-9]`` and single dashes, never empty."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[: SLUG_LENGTH + 1]
    return words.strip("-")[:SLUG_LENGTH].rstrip("-") or "task"
