"""What every object storage does, whichever it is."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.store.errors import StoreRefused
from pullyard.store.objects import PART_BYTES, ObjectMissing, Objects, ObjectsAway, open_objects
from tests.object_servers import credentials

KEY = "logs/ten_1/exec_1/implement-0a1b.zst"


@pytest.fixture
def objects(archive_url: str) -> Objects:
    return open_objects(archive_url)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one


async def whole(objects: Objects, key: str) -> bytes:
    return b"".join([piece async for piece in objects.pieces(key)])


@pytest.mark.parametrize(
    "sizes", [(1,), (3, 0, 5), (PART_BYTES,), (PART_BYTES - 1, 1), (PART_BYTES, 1, PART_BYTES)]
)
async def test_what_was_put_is_read_whole_and_in_any_range(objects: Objects, sizes: tuple[int, ...]) -> None:
    parts = [os.urandom(size) for size in sizes]
    data = b"".join(parts)
    await objects.put(KEY, pieces(*parts))
    assert await whole(objects, KEY) == data
    for start, size in ((0, 1), (0, len(data)), (len(data) - 1, 1), (len(data) // 2, len(data) // 3 + 1)):
        expected = data[start : start + size]
        assert await objects.read(KEY, start, len(expected)) == expected


async def test_an_object_is_replaced_and_deleted_twice(objects: Objects) -> None:
    await objects.put(KEY, pieces(b"one"))
    await objects.put(KEY, pieces(b"other"))
    assert await whole(objects, KEY) == b"other"
    await objects.delete(KEY)
    await objects.delete(KEY)
    with pytest.raises(ObjectMissing):
        await objects.read(KEY, 0, 1)
    with pytest.raises(ObjectMissing):
        await whole(objects, KEY)


async def test_a_range_beyond_the_end_is_no_short_answer(objects: Objects) -> None:
    await objects.put(KEY, pieces(b"12345"))
    with pytest.raises((ObjectMissing, ObjectsAway)):
        await objects.read(KEY, 3, 3)
    with pytest.raises((ObjectMissing, ObjectsAway)):
        await objects.read(KEY, 10, 3)


@pytest.mark.parametrize("size", [10, PART_BYTES])
async def test_an_object_that_could_not_be_finished_is_not_there(objects: Objects, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(size)
        raise KeyError

    with pytest.raises(KeyError):
        await objects.put(KEY, broken())
    with pytest.raises(ObjectMissing):
        await objects.read(KEY, 0, 1)


async def test_many_at_once(objects: Objects) -> None:
    names = [f"logs/t/e{number}/s.zst" for number in range(20)]
    await asyncio.gather(*(objects.put(name, pieces(name.encode())) for name in names))
    read = await asyncio.gather(*(whole(objects, name) for name in names))
    assert read == [name.encode() for name in names]


async def test_an_s3_that_is_away_is_told_soon() -> None:
    with credentials("http://127.0.0.1:1"):
        away = open_objects("s3://pullyard/x")
    for act in (away.read(KEY, 0, 1), away.put(KEY, pieces(b"x")), away.delete(KEY), whole(away, KEY)):
        async with asyncio.timeout(60):
            with pytest.raises(ObjectsAway):
                await act


@pytest.mark.usefixtures("s3_server")
async def test_a_bucket_that_is_missing_takes_nothing() -> None:
    with pytest.raises(ObjectsAway, match="no such bucket"):
        await open_objects("s3://nobody-has-it/x").put(KEY, pieces(b"x"))


async def test_nobody_else_may_look_into_the_directory(tmp_path: Path) -> None:
    await open_objects((tmp_path / "a" / "archive").as_uri()).put(KEY, pieces(b"secret"))
    assert stat.S_IMODE((tmp_path / "a" / "archive").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "url",
    [
        *("", "archive", "/srv/archive", "file:archive", "file://host/x", "file:///proc/nobody/x"),
        *("s3://", "s3://key:secret@bucket/x", "s3://bucket/x?endpoint=y"),
        *("gs://b/x", "http://h/x", "memory:///"),
    ],
)
def test_an_address_that_is_none_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(StoreRefused) as refused:
        open_objects(url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)
