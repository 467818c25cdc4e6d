"""One database address, in the spellings that SQLAlchemy, asyncpg and the Postgres programs want."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from pullyard.store.errors import StoreRefused

SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")


def for_sqlalchemy(address: str) -> URL:
    """Takes ``postgres://`` and ``postgresql://``, Unix sockets (``?host=/directory``) and ``sslmode``."""
    scheme, _, rest = address.partition("://")
    if scheme not in SCHEMES:
        raise StoreRefused("A database address begins with postgresql://.", code="database-address")
    try:
        url = make_url(f"postgresql+asyncpg://{rest}")
    except (ArgumentError, ValueError) as error:
        raise StoreRefused(
            "The database address can't be read; it looks like postgresql://user:password@host:5432/name.",
            code="database-address",
        ) from error
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(query=query)


def for_libpq(address: str) -> str:
    """The same database for asyncpg itself and for ``pg_dump``."""
    url = for_sqlalchemy(address)
    query = dict(url.query)
    if "ssl" in query:
        query["sslmode"] = query.pop("ssl")
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


def password_apart(address: str) -> tuple[str, str | None]:
    """The address for libpq without its password, and that: a command line is no place for it."""
    url = for_sqlalchemy(address)
    bare = URL.create(
        url.drivername, url.username, host=url.host, port=url.port, database=url.database, query=url.query
    )
    return for_libpq(bare.render_as_string()), url.password


def without_password(address: str) -> str:
    """The address as messages may show it."""
    return for_sqlalchemy(address).set(drivername="postgresql").render_as_string(hide_password=True)
