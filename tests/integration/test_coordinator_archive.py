"""Ended logs are put away and read the same; nothing is lost on the way, whatever fails."""

import asyncio
import hashlib
import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pullyard.coordinator.caretakers.archive import LogArchiver, claim
from pullyard.coordinator.logs import stored
from pullyard.coordinator.logs.settle import Superseded, settle_in_object
from pullyard.lifecycle import crash_points
from pullyard.store.objects import DirectoryObjects, ObjectsAway, open_objects
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.live import data_of, hear, listening, subscribe
from tests.logs import WrittenLog, begin_log
from tests.object_servers import BUCKET, S3Server, credentials
from tests.postgres import execute

SOON: dict[str, Any] = {"archive_after_seconds": 0, "archive_seconds": 0.05}
BY_HAND: dict[str, Any] = {"archive_after_seconds": 0, "archive_seconds": 3600}
"""The coordinator's own archiver looks once, at its start, and finds nothing."""


def some_frames(count: int = 120, seed: int = 7) -> list[bytes]:
    """Over a megabyte a dozen of times, so that there are several large frames; lines over their borders."""
    dice = random.Random(seed)
    words = [b"needle", b"hay\n", "stroh \u00fc".encode(), b"\r", b"\xff\xfe"]
    return [b"".join(dice.choices(words, k=3000)) + dice.randbytes(10_000) for _ in range(count)]


async def until_settled(log: WrittenLog, field: str = "sha256") -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not (shown := await log.resource())[field]:
            pass
    return shown


async def check(log: WrittenLog, seed: int = 1) -> None:
    """Every way to read gives what a plain list of bytes says."""
    assert (await log.get("/raw")).content == log.data
    dice = random.Random(seed)
    lines = log.lines()
    for _ in range(10):
        offset = dice.randint(0, len(log.data))
        limit = dice.choice((1, 100, 3_000_000))
        part = await log.get(offset=offset, limit=limit)
        assert log.data[offset : offset + limit].startswith(part.content)
        assert len(part.content) == min(limit, len(log.data) - offset)
        number = dice.randint(1, len(lines))
        shown = (await log.ask("/lines", lines=f"{number}-{number + 3}"))["lines"]
        assert [one["text"] for one in shown] == [
            line.decode(errors="replace") for line in lines[number - 1 : number + 3]
        ]
    found = await log.ask("/search", q="needlehay", limit=100)
    expected = [number for number, line in enumerate(lines, 1) if b"needlehay" in line]
    assert [one["line"] for one in found["matches"]] == expected[:100]


async def chunk_count(coordinator: RunningCoordinator) -> int:
    async with coordinator.served.services.database.transaction() as connection:
        answer = await connection.exec_driver_sql("SELECT count(*) FROM log_chunks")
        return answer.scalar_one()


async def ended_log(coordinator: RunningCoordinator, *frames: bytes, stream: str = "implement") -> WrittenLog:
    log = await begin_log(coordinator, *frames, stream=stream)
    await log.end()
    return log


async def test_an_archived_log_reads_as_before(database_url: str, archive_url: str) -> None:
    async with running_coordinator(database_url, archive_url=archive_url, **SOON) as coordinator:
        log = await begin_log(coordinator, *some_frames())
        await check(log)
        assert (await log.resource())["sha256"] is None
        await log.end()
        shown = await until_settled(log)
        assert shown["archived"] is True
        assert shown["sha256"] == hashlib.sha256(log.data).hexdigest()
        assert 1 < await chunk_count(coordinator) < 10
        await check(log)
        etag = (await log.get("/raw")).headers["etag"]
        assert etag == f'"{shown["sha256"]}"'
        part = await log.get("/raw", headers={"range": "bytes=5-9", "if-range": etag})
        assert (part.status_code, part.content) == (206, log.data[5:10])
        changed = await log.get("/raw", headers={"range": "bytes=5-9", "if-range": '"other"'})
        assert changed.status_code == 200


async def test_a_subscription_reads_the_archive(database_url: str, archive_url: str) -> None:
    async with running_coordinator(database_url, archive_url=archive_url, **SOON) as coordinator:
        log = await ended_log(coordinator, *(b"line %d\n" % number for number in range(500)))
        await until_settled(log)
        async with listening(coordinator) as socket:
            about = {"execution_id": log.grant.execution_id, "stream": "implement", "offset": 10}
            await subscribe(socket, "subscribe-log", **about)
            heard = b""
            while (message := await hear(socket))["type"] == "execution-log":
                heard += data_of(message)
            assert (message["type"], heard) == ("completion", log.data[10:])


async def test_without_an_archive_the_frames_become_large_in_the_database(database_url: str) -> None:
    async with running_coordinator(database_url, **SOON) as coordinator:
        log = await ended_log(coordinator, *some_frames(), b"no end")
        shown = await until_settled(log)
        assert (shown["archived"], shown["sha256"]) == (False, hashlib.sha256(log.data).hexdigest())
        assert 1 < await chunk_count(coordinator) < 10
        await check(log)


async def test_logs_move_when_an_archive_is_named_later_and_need_it_then(
    database_url: str, tmp_path: Path
) -> None:
    async with running_coordinator(database_url, **SOON) as coordinator:
        log = await ended_log(coordinator, *some_frames(40))
        await until_settled(log)
    url = (tmp_path / "archive").as_uri()
    async with running_coordinator(database_url, archive_url=url, **SOON) as coordinator:
        log.coordinator = coordinator
        await until_settled(log, "archived")
        await check(log)
    for place, code in ((None, "archive-unset"), ((tmp_path / "other").as_uri(), "archive-missing")):
        async with running_coordinator(database_url, archive_url=place) as coordinator:
            log.coordinator = coordinator
            for more, query in (("", {}), ("/lines", {}), ("/search", {"q": "x"}), ("/raw", {})):
                answer = await log.get(more, **query)
                assert (answer.status_code, answer.json()["code"]) == (503, code)


async def test_two_archivers_and_many_logs_make_one_object_each(
    database_url: str, s3_server: S3Server
) -> None:
    url = f"s3://{BUCKET}/two-archivers"
    async with (
        running_coordinator(database_url, archive_url=url, **SOON) as one,
        running_coordinator(database_url, archive_url=url, **SOON),
    ):
        worker = await one.worker()
        await one.task(await one.project())
        grant = await worker.claim()
        logs = [WrittenLog(one, worker, grant, stream=f"s{number}") for number in range(12)]
        for log in logs:
            await log.write(*(b"%d\n" % number for number in range(30)))
        await logs[0].end()
        for log in logs:
            await until_settled(log)
            assert (await log.get("/raw")).content == log.data
    assert len([key for key in s3_server.object_keys() if key.startswith("two-archivers/")]) == len(logs)


class Killed(BaseException):
    """The process ends here: nothing after this point happens, no clean-up either."""


POINTS = ("log-archive-claimed", "log-object-written", "log-object-before-commit", "log-object-after-commit")


@pytest.mark.parametrize("point", POINTS)
async def test_an_archiver_that_dies_anywhere_loses_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    async def no_clean_up(*_: object) -> None:
        """A process that was killed does not put off its attempt: it simply runs out."""

    def die(name: str) -> None:
        if name == point:
            raise Killed

    place = tmp_path / "archive"
    async with running_coordinator(database_url, archive_url=place.as_uri(), **BY_HAND) as coordinator:
        log = await ended_log(coordinator, *some_frames(40))
        services = coordinator.served.services
        monkeypatch.setattr("pullyard.coordinator.caretakers.archive.postpone", no_clean_up)
        crash_points.install(die)
        with pytest.raises(Killed):
            await LogArchiver().round(services)
        crash_points.install(None)
        monkeypatch.undo()
        await check(log)
        await LogArchiver().round(services)
        # Until its time has run out, the attempt is respected.
        done = point == "log-object-after-commit"
        assert (await log.resource())["archived"] is done
        await execute(database_url, "UPDATE log_streams SET attempt_until = now() - interval '1 second'")
        await LogArchiver().round(services)
        assert (await log.resource())["archived"] is True
        await check(log)
    assert len([path for path in place.rglob("*") if path.is_file()]) == 1


async def test_an_attempt_that_took_too_long_changes_nothing(database_url: str, tmp_path: Path) -> None:
    place = tmp_path / "archive"
    async with running_coordinator(database_url, archive_url=place.as_uri(), **BY_HAND) as coordinator:
        log = await ended_log(coordinator, *some_frames(40))
        services = coordinator.served.services
        objects = open_objects(place.as_uri())
        slow, _ = await claim(services, ["frames"]) or (None, None)
        assert slow is not None
        assert await claim(services, ["frames"]) is None
        await execute(database_url, "UPDATE log_streams SET attempt_until = now() - interval '1 second'")
        await LogArchiver().round(services)
        shown = await log.resource()
        with pytest.raises(Superseded):
            await settle_in_object(services, objects, slow)
        assert await log.resource() == shown
        await check(log)


async def test_an_old_log_is_removed_and_says_so_and_its_conversation_stays(
    database_url: str, archive_url: str
) -> None:
    settings = {"archive_url": archive_url, "log_retention_days": 30, **BY_HAND}
    async with running_coordinator(database_url, **settings) as coordinator:
        log = await begin_log(coordinator, b"one\n")
        talk = WrittenLog(coordinator, log.worker, log.grant, stream="conversation")
        await talk.write(b'{"role": "user"}\n')
        await log.end()
        archiver, services = LogArchiver(), coordinator.served.services
        await archiver.round(services)
        await execute(database_url, "UPDATE log_streams SET settled_at = now() - interval '29 days'")
        await archiver.round(services)
        await check_small(log)
        await execute(database_url, "UPDATE log_streams SET settled_at = now() - interval '31 days'")
        await archiver.round(services)
        shown = await log.resource()
        assert (shown["size_bytes"], shown["archived"], shown["expired_at"] is None) == (4, False, False)
        for more, query in (
            ("", {}),
            ("/lines", {}),
            ("/search", {"q": "x"}),
            ("/raw", {}),
            ("", {"lines": "1"}),
        ):
            answer = await log.get(more, **query)
            assert (answer.status_code, answer.json()["code"]) == (410, "log-expired")
        await check_small(talk)
        async with services.database.transaction() as connection:
            left = await connection.exec_driver_sql(
                "SELECT count(*) FROM log_streams WHERE object_key IS NOT NULL"
            )
            assert left.scalar_one() == 1


async def check_small(log: WrittenLog) -> None:
    assert (await log.get()).content == log.data


async def test_logs_without_a_retention_stay(database_url: str) -> None:
    async with running_coordinator(database_url, log_retention_days=0, **BY_HAND) as coordinator:
        log = await ended_log(coordinator, b"one\n")
        await LogArchiver().round(coordinator.served.services)
        await execute(database_url, "UPDATE log_streams SET settled_at = now() - interval '9999 days'")
        await LogArchiver().round(coordinator.served.services)
        await check_small(log)


async def test_while_the_storage_is_away_reads_say_so_and_nothing_is_lost(database_url: str) -> None:
    server = S3Server()
    server.start()
    try:
        with credentials(server.url):
            settings = {"archive_url": f"s3://{BUCKET}/logs", **BY_HAND}
            async with running_coordinator(database_url, **settings) as coordinator:
                archiver, services = LogArchiver(), coordinator.served.services
                archived = await ended_log(coordinator, b"one\n")
                await archiver.round(services)
                assert (await archived.resource())["archived"] is True
                server.stop()
                waiting = await ended_log(coordinator, *some_frames(40))
                with pytest.raises(ObjectsAway):
                    await archiver.round(services)
                answer = await archived.get()
                assert (answer.status_code, answer.json()["code"]) == (503, "archive-unavailable")
                await check(waiting)
                server.start()
                await execute(database_url, "UPDATE log_streams SET attempt_until = NULL")
                await archiver.round(services)
                assert (await waiting.resource())["archived"] is True
                await check(waiting)
    finally:
        server.stop()


async def test_a_damaged_object_is_no_answer_and_holds_nothing_up(database_url: str, tmp_path: Path) -> None:
    url = (tmp_path / "archive").as_uri()
    async with running_coordinator(database_url, archive_url=url, **SOON) as coordinator:
        log = await ended_log(coordinator, b"one\n" * 1000)
        await until_settled(log)
        file = next(path for path in (tmp_path / "archive").rglob("*.zst"))
        good = file.read_bytes()
        for bad in (good[:-1] + bytes([good[-1] ^ 1]), bytes(len(good)), good[: len(good) // 2]):
            file.write_bytes(bad)
            answer = await log.get()
            assert answer.status_code == 503
            assert answer.json()["code"] in ("log-damaged", "archive-missing", "archive-unavailable")
        other = await ended_log(coordinator, b"two\n")
        await until_settled(other)
        await check_small(other)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
async def test_a_full_disk_removes_nothing(database_url: str, small_disk: Path) -> None:
    settings = {"archive_url": (small_disk / "archive").as_uri(), **BY_HAND}
    async with running_coordinator(database_url, **settings) as coordinator:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(900 * 1024))
        log = await ended_log(coordinator, *some_frames(30))
        with pytest.raises(ObjectsAway):
            await LogArchiver().round(coordinator.served.services)
        await check(log)
        ballast.unlink()
        await execute(database_url, "UPDATE log_streams SET attempt_until = NULL")
        await LogArchiver().round(coordinator.served.services)
        assert (await log.resource())["archived"] is True
        await check(log)
        assert len([path for path in small_disk.rglob("*") if path.is_file()]) == 1


class Forgetful(DirectoryObjects):
    """Says that it has written all, and has not: the last bytes of every object are missing or others."""

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        data = b"".join([piece async for piece in pieces])

        async def wrong() -> AsyncIterator[bytes]:
            yield data[:-1] + bytes([data[-1] ^ 1])

        await super().put(key, wrong())


async def test_what_a_storage_did_not_keep_is_noticed_before_it_is_removed(
    database_url: str, tmp_path: Path
) -> None:
    async with running_coordinator(database_url, **BY_HAND) as coordinator:
        coordinator.served.services.objects = Forgetful(tmp_path)
        log = await ended_log(coordinator, *some_frames(30))
        await LogArchiver().round(coordinator.served.services)
        assert (await log.resource())["archived"] is False
        await check(log)


async def test_a_log_of_very_many_frames_is_put_away_and_read_in_bounds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MAX_CHUNKS", 7)
    async with running_coordinator(database_url, **BY_HAND) as coordinator:
        log = await begin_log(coordinator, *(b"%d\n" % number for number in range(60)))
        assert len((await log.get()).content) == sum(len(b"%d\n" % number) for number in range(7))
        assert (await log.get("/raw")).content == log.data
        assert len((await log.ask("/lines"))["lines"]) == 60
        assert len((await log.ask("/search", q="9"))["matches"]) == 6
        await log.end()
        await LogArchiver().round(coordinator.served.services)
        assert await chunk_count(coordinator) == 1
        assert (await log.get()).content == log.data
