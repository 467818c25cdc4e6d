"""Secrets that must turn up nowhere, in none of the ways in which a leak would hide them."""

import base64
import urllib.parse
from collections.abc import Iterable, Mapping

from sqlalchemy import text

from pullyard.store.database import Database

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


def forms(secret: str) -> list[bytes]:
    """As it is, turned around, in hexadecimal, in base64 wherever it begins, and for addresses."""
    raw = secret.encode()
    found = [raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()]
    for before in range(3):
        # The first and the last characters depend on what is beside it.
        found.append(base64.b64encode(b"\0" * before + raw)[4 if before else 0 : -4])
        found.append(base64.urlsafe_b64encode(b"\0" * before + raw)[4 if before else 0 : -4])
    found.append(urllib.parse.quote(secret, safe="").encode())
    return list(dict.fromkeys(found))


def leaks(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where which secret is."""
    return [
        f"{secret[:12]}... in {place}"
        for place, content in places.items()
        for secret in secrets
        if any(form in content for form in forms(secret))
    ]


async def database_dump(database: Database) -> bytes:
    """Every row of every table as text; bytes are there in hexadecimal."""
    async with database.transaction() as connection:
        names = (await connection.scalars(text(TABLES))).all()
        rows = [
            row for name in names for row in await connection.scalars(text(f'SELECT t::text FROM "{name}" t'))
        ]
    return "\n".join(rows).encode()
