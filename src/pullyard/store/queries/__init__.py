"""Named SQL: one statement a file, so that it can be read, measured and explained by itself."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


def read_statement(name: str) -> str:
    """What ``<name>.sql`` holds, without comments: a colon in one would be taken for a parameter."""
    lines = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


@cache
def named(name: str) -> TextClause:
    """The statement in ``<name>.sql``; parameters are ``:name``, casts ``::type`` may follow them."""
    # A cast right after a parameter would be taken for its end.
    return text(read_statement(name).replace("::", r"\:\:"))
