"""Who else a commit is by, as ``Name <address>``: words of others, which become lines of its message."""

import re
from collections.abc import Iterable

# Neither control characters nor those that turn a text around or can't be seen.
_NAME = r"[^<>@\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]{1,100}"
CO_AUTHOR = rf"^{_NAME} <[A-Za-z0-9._%+\-]{{1,64}}@[A-Za-z0-9.\-]{{1,120}}>$"
MOST_CO_AUTHORS = 10
_CO_AUTHOR = re.compile(CO_AUTHOR)


def trailers_of(agents: Iterable[str], co_authors: Iterable[str]) -> str:
    """Lines for the end of a commit's message; what is no co-author, or would be more than a line, is not."""
    some = list(co_authors)[:MOST_CO_AUTHORS]
    people = [one for one in some if one.isprintable() and _CO_AUTHOR.fullmatch(one)]
    lines = [f"Pullyard-Agent: {name}" for name in agents if name.isprintable()]
    return "\n".join([*lines, *(f"Co-authored-by: {one}" for one in people)])
