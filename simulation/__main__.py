"""Run many histories, or replay one: ``make simulate HISTORIES=n SEED=s``."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from simulation.history import Verdict, run_history
from simulation.mutations import MUTATIONS

CHUNK = 50
REPORT_SECONDS = 5.0
SHOWN = 10


def run_chunk(seeds: list[str], mutation: str | None) -> list[Verdict]:
    return [run_history(seed, mutation) for seed in seeds]


def chunks(first: str, histories: int) -> Iterator[list[str]]:
    seeds = (f"{first}.{number}" for number in range(histories))
    while chunk := list(islice(seeds, CHUNK)):
        yield chunk


def run_many(first: str, histories: int, mutation: str | None, processes: int) -> int:
    """The exit code: 1 where something was violated."""
    began = told = time.monotonic()
    done, seconds, states = 0, 0.0, Counter[str]()
    wrong: list[Verdict] = []
    with ProcessPoolExecutor(processes) as pool:
        waiting = chunks(first, histories)
        running = [pool.submit(run_chunk, chunk, mutation) for chunk in islice(waiting, processes * 2)]
        while running:
            verdicts = running.pop(0).result()
            running += [pool.submit(run_chunk, chunk, mutation) for chunk in islice(waiting, 1)]
            for verdict in verdicts:
                done += 1
                seconds += verdict.virtual_seconds
                states.update(verdict.states)
                if verdict.violations:
                    wrong.append(verdict)
                    if len(wrong) <= SHOWN:
                        show(verdict, mutation)
            if time.monotonic() - told > REPORT_SECONDS or done == histories:
                told = time.monotonic()
                rate = done / (told - began)
                say(f"{done} of {histories} histories, {rate:.0f}/s, {len(wrong)} with violations")
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    say(f"{seconds / 3600:.1f} hours of their own time; tasks: {ended}.")
    took = time.monotonic() - began
    say(f"{done} histories in {took:.0f} s by {processes} processes: {done / took:.0f}/s.")
    return 1 if wrong else 0


def show(verdict: Verdict, mutation: str | None) -> None:
    say(f"\nVIOLATION with seed {verdict.seed}:")
    for violation in verdict.violations[:3]:
        say(f"  {violation}")
    without = f" --without {mutation}" if mutation else ""
    say(f"  replay: python -m simulation --replay {verdict.seed}{without}\n")


def replay(seed: str, mutation: str | None) -> int:
    verdict = run_history(seed, mutation, traced=True)
    for line in verdict.trace:
        say(line)
    for violation in verdict.violations:
        say(f"VIOLATION: {violation}")
    return 1 if verdict.violations else 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", default="1", help="the first part of every history's seed")
    parser.add_argument("--replay", metavar="SEED", help="one history, with its trace")
    parser.add_argument("--without", metavar="GUARD", choices=sorted(MUTATIONS), help="take a guard out")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.replay:
        return replay(given.replay, given.without)
    return run_many(given.seed, given.histories, given.without, given.processes)


if __name__ == "__main__":
    sys.exit(main())
