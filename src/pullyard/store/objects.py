"""Object storage for what is large and changes no more: a directory, or anything that speaks S3."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from obstore import delete_async, get_async, get_range_async, put_async
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from pullyard.protocol.errors import RemoteFailure
from pullyard.store.errors import StoreRefused

PART_BYTES = 8 * 1024 * 1024
"""An object that is longer goes in parts of this size, two of them on their way at a time."""
PIECE_BYTES = 1024 * 1024
# A reader waits for an answer: it gets a clear one soon, and what writes tries again later.
TIMEOUT = "20s"
RETRIES = 2
RETRY_SECONDS = 10


class ObjectsAway(RemoteFailure):
    """The storage does not answer, refuses, or has no room: nothing was written, and later it may work."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"The object storage can't be used now: {said}.", retryable=True, code="archive-unavailable"
        )


class ObjectMissing(RemoteFailure):
    """The storage answers and has no such object (or no such bucket)."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The object storage has no {key}: is PULLYARD_ARCHIVE_URL the one that it was written to?",
            retryable=False,
            code="archive-missing",
        )


class Objects(Protocol):
    """Keys are relative paths of plain names. Every method may raise ObjectsAway; all may run at once."""

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Whole or not at all, durable when it returns; replaces what was there. Holds 16 MiB at most.

        What ``pieces`` raises comes through, and nothing is left of the object then.
        """
        ...

    async def read(self, key: str, start: int, size_bytes: int) -> bytes:
        """Exactly these bytes, at least one. Raises ObjectMissing, also where the object is shorter."""
        ...

    def pieces(self, key: str) -> AsyncIterator[bytes]:
        """The whole object, piece by piece. Raises ObjectMissing."""
        ...

    async def delete(self, key: str) -> None:
        """Also where there is none."""
        ...


class StoredObjects:
    """Through obstore, the same for every member."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        begun = bytearray()
        async for piece in pieces:
            begun += piece
            if len(begun) >= PART_BYTES:
                break
        with told(None):
            # What is short goes in one request instead of three.
            if len(begun) < PART_BYTES:
                await put_async(self._store, key, bytes(begun))
            else:
                rest = chain(bytes(begun), pieces)
                await put_async(self._store, key, rest, chunk_size=PART_BYTES, max_concurrency=2)

    async def read(self, key: str, start: int, size_bytes: int) -> bytes:
        with told(key):
            data = bytes(await get_range_async(self._store, key, start=start, length=size_bytes))
        if len(data) != size_bytes:
            raise ObjectMissing(key)
        return data

    async def pieces(self, key: str) -> AsyncIterator[bytes]:
        with told(key):
            found = await get_async(self._store, key)
            async for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    async def delete(self, key: str) -> None:
        with told(key):
            try:
                await delete_async(self._store, key)
            except FileNotFoundError:
                return


class DirectoryObjects(StoredObjects):
    """Files below one directory that only its owner may enter."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            super().__init__(LocalStore(prefix=directory, automatic_cleanup=True))
        except (OSError, BaseError) as error:
            raise StoreRefused(f"The archive {directory} can't be used: {error}.", code="archive") from error
        self._directory = directory

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        await super().put(key, pieces)
        with told(key):
            await asyncio.to_thread(settle, self._directory / key, self._directory)


def chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async def both() -> AsyncIterator[bytes]:
        yield first
        async for piece in rest:
            yield piece

    return both()


@contextmanager
def told(key: str | None) -> Iterator[None]:
    """Turns what the library raises into our own; its text has a debugger's part that helps nobody.

    Without a key nothing that exists was asked for, so what is missing is the bucket or the directory.
    """
    try:
        yield
    except FileNotFoundError as error:
        if key is None:
            raise ObjectsAway("there is no such bucket or directory") from error
        raise ObjectMissing(key) from error
    except (BaseError, OSError, ValueError) as error:
        raise ObjectsAway((str(error).splitlines() or [type(error).__name__])[0].rstrip(".")) from error


def settle(file: Path, top: Path) -> None:
    """The library leaves it to the system when a file, and its name in its directory, reach the disk."""
    for path in (file, *file.parents):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path == top:
            return


def open_objects(url: str) -> Objects:
    """``file:///directory`` or ``s3://bucket/prefix``; for the latter ``AWS_*`` variables say the rest.

    Raises StoreRefused for another address. Nothing is asked of an S3 yet: it may come up later than we do.
    """
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise StoreRefused(
            "The archive's address holds no key: set AWS_ACCESS_KEY_ID and the like.", code="archive"
        )
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return DirectoryObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return StoredObjects(open_s3(url))
    raise StoreRefused("The archive's address is file:///directory or s3://bucket/prefix.", code="archive")


def open_s3(url: str) -> S3Store:
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    try:
        return S3Store.from_url(
            url,
            client_options={"timeout": TIMEOUT, "connect_timeout": "5s", "allow_http": plain},
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )
    except (BaseError, ValueError) as error:
        raise StoreRefused(
            f"The archive {url} can't be used: {str(error).splitlines()[0]}.", code="archive"
        ) from error
