"""Benchmarks of rows: of NAME every module ``bench/NAME_ROW.py`` is a row, or a few, measured on one stage.

Such a module has a first line of docstring that says what it measures, and a function
``measure(stage: Stage) -> list[Figure]``. Where it only runs with ``--slow`` it has ``SLOW = True``.
"""

import argparse
import importlib
import pkgutil
import signal
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

import bench
from bench import report
from bench.figures import Figure, failed, not_measured
from bench.installation import BenchFailed
from bench.stage import Stage, stage

ROW_SECONDS = 900
"""A row that takes longer hangs."""


def measure(bench_name: str, words: Sequence[str]) -> list[Figure]:
    rows = find_rows(f"{bench_name}_")
    wish = parse(bench_name, words, rows)
    if wish.list:
        for name, module in rows.items():
            sys.stdout.write(f"{name:14} {(module.__doc__ or '').splitlines()[0]}\n")
        sys.exit(0)
    figures: list[Figure] = []
    with stage(slow=wish.slow) as set_up:
        for name, module in rows.items():
            if wish.only and name not in wish.only:
                continue
            if is_slow(module) and not wish.slow:
                figures.append(not_measured(name, "takes --slow"))
                continue
            sys.stderr.write(f"bench {bench_name}: {name} ...\n")
            row = measure_row(name, module, set_up)
            # At once, for the whole may take half an hour and be ended from outside.
            report.table(f"{bench_name}: {name}", row)
            figures += row
    return figures


def measure_row(name: str, module: ModuleType, set_up: Stage) -> list[Figure]:
    """One row that breaks or hangs must not cost the others, which may have taken half an hour."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(ROW_SECONDS)
    try:
        return module.measure(set_up)
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return [failed(name, error)]
    finally:
        signal.alarm(0)


def give_up(*_: object) -> NoReturn:
    raise BenchFailed(f"It did not end within {ROW_SECONDS} s.")


def find_rows(prefix: str) -> dict[str, ModuleType]:
    names = sorted(
        module.name for module in pkgutil.iter_modules(bench.__path__) if module.name.startswith(prefix)
    )
    return {name.removeprefix(prefix): importlib.import_module(f"bench.{name}") for name in names}


def is_slow(module: ModuleType) -> bool:
    return bool(getattr(module, "SLOW", False))


def parse(bench_name: str, words: Sequence[str], rows: dict[str, ModuleType]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(f"make bench NAME={bench_name} ARGS=...")
    parser.add_argument("--only", action="append", choices=list(rows), help="run this row; repeatable")
    parser.add_argument("--slow", action="store_true", help="also what takes many minutes")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    return parser.parse_args(words)
