"""A way to Postgres where a connection can be given up as in a crash: last words come, its end does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

SOCKET = ".s.PGSQL.5432"
LAST_WORDS = b"SFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"


class Way:
    """``url`` leads to the database through here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clients: list[asyncio.StreamWriter] = []

    async def give_up(self) -> None:
        """Tells the latest connection, which is idle, and returns once the driver has read it."""
        self.clients[-1].write(b"E" + (4 + len(LAST_WORDS)).to_bytes(4, "big") + LAST_WORDS)
        for _ in range(50):
            await asyncio.sleep(0)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def way_to(database_url: str, directory: Path) -> AsyncIterator[Way]:
    """Ends when every connection through it has ended."""
    address = urlsplit(database_url)
    real = Path(parse_qs(address.query)["host"][0]) / SOCKET
    way = Way(address._replace(query=f"host={quote(str(directory), safe='')}").geturl())
    pumps: set[asyncio.Task[None]] = set()

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_unix_connection(real)
        way.clients.append(writer)
        pumps.update(asyncio.create_task(pump(*pair)) for pair in ((reader, questions), (answers, writer)))

    async with await asyncio.start_unix_server(between, directory / SOCKET):
        yield way
        async with asyncio.timeout(60):
            await asyncio.gather(*pumps)
