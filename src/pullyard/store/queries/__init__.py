"""Named SQL: one statement a file, so that it can be read, measured and explained by itself."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def named(name: str) -> TextClause:
    """The statement in ``<name>.sql``; parameters are ``:name``, casts ``::type`` may follow them."""
    lines = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8").splitlines()
    # A colon in a comment would be taken for a parameter, and a cast right after a parameter for its end.
    statement = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    return text(statement.replace("::", r"\:\:"))
