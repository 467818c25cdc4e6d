"""Durable log append through HTTP beside inserts of the same chunks, and what a log takes on the disk."""

import asyncio
import random
import time
from dataclasses import dataclass

import asyncpg
import zstandard

from bench.figures import Figure, Goal
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import WireWorker, enrol
from pullyard.protocol.worker import Grant

WRITERS = 16
FRAMES = 200
LINES = 200
APPEND = Goal(0.4, at_most=False)
STORED = Goal(0.35, of_value=True)
RAW_TABLE = """
    CREATE TABLE raw_chunks (
        execution_id text, stream text, start_offset bigint, size_bytes integer, lines integer, data bytea,
        PRIMARY KEY (execution_id, stream, start_offset)
    );
    ALTER TABLE raw_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
"""
INSERT = "INSERT INTO raw_chunks VALUES ($1, 'implement', $2, $3, $4, $5)"
SIZES = """
    SELECT pg_total_relation_size('log_chunks') + pg_total_relation_size('log_streams') AS stored,
        (SELECT sum(size_bytes)::bigint FROM log_streams) AS raw
"""
PHRASES = (
    "PASSED tests/unit/test_parser.py::test_reads_every_line",
    "FAILED tests/unit/test_writer.py::test_keeps_order - assert left == right",
    "Compiling serde v1.0.219",
    "warning: unused variable: `context`",
    "error[E0382]: borrow of moved value",
    "npm WARN deprecated inflight@1.0.6",
    "GET /api/v1/items 200 in 12 ms",
    "Reading package lists... Done",
    "INFO worker pool started with 8 threads",
    "connection refused, retrying",
    "Downloading https://registry.example/package-4.17.21.tgz",
)


@dataclass(frozen=True)
class Chunk:
    size_bytes: int
    frame: bytes


def measure(stage: Stage) -> list[Figure]:
    logs = [some_log(seed) for seed in range(WRITERS)]
    with stage.coordinator(archive_seconds=3600, max_running=WRITERS) as coordinator:
        seconds = asyncio.run(append_all(coordinator, logs))
        raw_seconds = asyncio.run(insert_all(coordinator.database_url, logs))
        stored, raw = asyncio.run(sizes(coordinator.database_url))
    lines = WRITERS * FRAMES * LINES
    said = f"{DURABLE}; {WRITERS} writers, {FRAMES} frames of {LINES} lines each"
    return [
        Figure(
            "durable log append through HTTP",
            lines / seconds,
            "lines/s",
            "inserts of the same chunks",
            lines / raw_seconds,
            APPEND,
            conditions=said,
        ),
        Figure("a log on the disk, with its indexes", stored / raw, "of raw", goal=STORED, conditions=said),
    ]


def some_log(seed: int) -> list[Chunk]:
    """What builds and tests print: many words again and again, with times and numbers between."""
    dice = random.Random(seed)
    compressor = zstandard.ZstdCompressor(level=3)
    chunks = []
    for number in range(FRAMES):
        lines = [
            f"2026-01-05T10:{number % 60:02d}:{dice.randrange(60):02d}.{dice.randrange(1000):03d}Z "
            + "; ".join(dice.choices(PHRASES, k=dice.randint(1, 3)))
            + f" ({dice.randrange(100_000)})\n"
            for _ in range(LINES)
        ]
        data = "".join(lines).encode()
        chunks.append(Chunk(len(data), compressor.compress(data)))
    return chunks


async def append_all(coordinator: Coordinator, logs: list[list[Chunk]]) -> float:
    """Each log is one execution's; a frame goes when the one before it is acknowledged, as workers do it."""
    worker = await enrol(coordinator, coordinator.enrolment_token(), slots=WRITERS)
    project = coordinator.add_project("logs", max_running=WRITERS)
    for number in range(WRITERS):
        coordinator.post(f"/projects/{project}/tasks", {"title": f"log {number}"})
    grants: list[Grant] = []
    while len(grants) < WRITERS:
        grants += await worker.claim(slots=WRITERS - len(grants))
    worker.held = {grant.execution_id: grant for grant in grants}
    await worker.beat()
    began = time.perf_counter()
    await asyncio.gather(*(append(worker, grant, log) for grant, log in zip(grants, logs, strict=True)))
    seconds = time.perf_counter() - began
    worker.http.close()
    return seconds


async def append(worker: WireWorker, grant: Grant, log: list[Chunk]) -> None:
    offset = 0
    path = f"/worker/v1/executions/{grant.execution_id}/logs/implement?fence={grant.fence}&offset="
    for chunk in log:
        await worker.http.post(f"{path}{offset}", chunk.frame)
        offset += chunk.size_bytes


async def insert_all(url: str, logs: list[list[Chunk]]) -> float:
    """As many connections as there are writers, and nothing but the insert."""
    connections = [await asyncpg.connect(url) for _ in logs]
    await connections[0].execute(RAW_TABLE)

    async def insert(number: int) -> None:
        offset = 0
        for chunk in logs[number]:
            values = (str(number), offset, chunk.size_bytes, LINES, chunk.frame)
            await connections[number].execute(INSERT, *values)
            offset += chunk.size_bytes

    began = time.perf_counter()
    await asyncio.gather(*(insert(number) for number in range(len(logs))))
    seconds = time.perf_counter() - began
    for connection in connections:
        await connection.close()
    return seconds


async def sizes(url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(SIZES)
        assert row is not None
        return row["stored"], row["raw"]
    finally:
        await connection.close()
