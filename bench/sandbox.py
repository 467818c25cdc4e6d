"""Sandboxes and their gateway: how long a start takes, and what the one way out costs.

Each row is shown as soon as it is measured. ``--only ROW`` (repeatable) runs some of them.
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import report, sandbox_bubblewrap, sandbox_docker, sandbox_gateway
from bench.figures import Figure, failed
from bench.installation import scratch

ROWS: dict[str, Callable[[Path], list[Figure]]] = {
    "bubblewrap": sandbox_bubblewrap.measure,
    "docker": sandbox_docker.measure,
    "gateway": sandbox_gateway.measure,
}


def measure(words: Sequence[str]) -> list[Figure]:
    parser = argparse.ArgumentParser("make bench NAME=sandbox ARGS=...")
    parser.add_argument("--only", action="append", choices=list(ROWS), help="run this row; repeatable")
    wanted = parser.parse_args(words).only or list(ROWS)
    figures: list[Figure] = []
    with scratch() as place:
        for name in wanted:
            sys.stderr.write(f"bench sandbox: {name} ...\n")
            (place / name).mkdir()
            row = measure_row(name, place / name)
            report.table(f"sandbox: {name}", row)
            figures += row
    return figures


def measure_row(name: str, place: Path) -> list[Figure]:
    try:
        return ROWS[name](place)
    except Exception as error:  # noqa: BLE001
        # One row that breaks must not cost the others.
        traceback.print_exc()
        return [failed(name, error)]
