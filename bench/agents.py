"""Agents: the same task by each one's real program, in the real sandbox, through the real gateway.

A scripted model answers at once, so the seconds are the agent's own. ``--only AGENT`` (repeatable) runs some.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from tests.agent_plays import PLAYS, agent_called, programs_for
from tests.agent_programs import shelf_with
from tests.agent_runs import Workplace
from tests.model_server import ModelServer

from bench.figures import Figure, failed
from bench.installation import BenchFailed, scratch
from pullyard.agents.programs import programs
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream

KEY = "sk-canary-0123456789"
OWN = "claude-code"
"""Its program for tests is npm's, not the shelf's."""
CONDITIONS = (
    "one run after a first one that fills the page cache; bubblewrap without network; tokens as the scripted "
    "model counts them, cost by the price list; KiB asked is what the agent sent, prompt and tools each time"
)


@dataclass(frozen=True)
class Done:
    agent: str
    seconds: float
    requests: int
    asked_bytes: int
    tokens: int
    cost_micros: int


def measure(words: Sequence[str]) -> list[Figure]:
    parser = argparse.ArgumentParser("make bench NAME=agents ARGS=...")
    parser.add_argument("--only", action="append", choices=sorted(PLAYS), help="this agent; repeatable")
    wanted = parser.parse_args(words).only or sorted(PLAYS)
    figures: list[Figure] = []
    done: list[Done] = []
    with scratch() as place:
        for name in wanted:
            sys.stderr.write(f"bench agents: {name} ...\n")
            try:
                for run in ("warm", "measured"):
                    one = asyncio.run(work(name, place / f"{name}-{run}"))
                done.append(one)
                figures += figures_of(one)
            except Exception as error:  # noqa: BLE001
                # One agent that breaks must not cost the others.
                figures.append(failed(name, error))
    show(done)
    return figures


def prepare(name: str, place: Path) -> Workplace:
    place.mkdir()
    place.chmod(0o755)
    workplace = Workplace(place) if name == OWN else Workplace(place, shelf=shelf_with(*programs_for(name)))
    (workplace.ws / "greeting.txt").write_text("helo world\n")
    for words in (["init", "--quiet"], ["add", "greeting.txt"]):
        subprocess.run(["git", *words], cwd=workplace.ws, check=True)
    return workplace


async def work(name: str, place: Path) -> Done:
    play, workplace = PLAYS[name], prepare(name, place)
    script = [*([play.look] if play.look else []), *play.fix, *play.done]
    async with ModelServer(script) as server:
        upstream = open_upstream({play.provider: ProviderSettings(SecretStr(KEY), server.base_url)})
        async with upstream.client:
            workplace.upstream = upstream
            began = time.perf_counter()
            run = await workplace.run(agent_called(name), play.settings)
            seconds = time.perf_counter() - began
    mended = (workplace.ws / "greeting.txt").read_text() == "hello world\n"
    if run.verdict.reason is not None or not mended:
        raise BenchFailed(f"{name} did not do it: {run.verdict.message or run.output[-500:]!r}")
    if KEY.encode() in run.output:
        raise BenchFailed(f"{name} has seen the key.")
    usage = workplace.ledger.usage
    return Done(
        agent=name,
        seconds=seconds,
        requests=workplace.ledger.requests,
        asked_bytes=sum(len(request.body) for request in server.requests),
        tokens=usage.input_tokens + usage.output_tokens,
        cost_micros=usage.cost_micros,
    )


def figures_of(done: Done) -> list[Figure]:
    return [
        Figure(f"{done.agent}: seconds", done.seconds, "s", conditions=CONDITIONS),
        Figure(f"{done.agent}: tokens", done.tokens, "tokens", conditions=CONDITIONS),
        Figure(f"{done.agent}: cost", done.cost_micros / 1e6, "dollars", conditions=CONDITIONS),
        Figure(f"{done.agent}: asked", done.asked_bytes / 1024, "KiB", conditions=CONDITIONS),
    ]


def show(done: Sequence[Done]) -> None:
    table = Table("agent", "version", "seconds", "requests", "KiB asked", "tokens", "cost", title="one task")
    for one in done:
        table.add_row(
            one.agent,
            programs()[one.agent.split()[-1]].version,
            f"{one.seconds:.1f}",
            str(one.requests),
            f"{one.asked_bytes / 1024:.0f}",
            str(one.tokens),
            f"${one.cost_micros / 1e6:.4f}",
        )
    Console().print(table)
