"""Fixtures for every kind of test; each plugin is a module beside this one."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.postgres",
    "tests.coordinator",
    "tests.system",
    "tests.object_servers",
    "tests.docker_engine",
    "tests.cli_program",
    "tests.attack_report",
    "tests.once_more",
]
# How long one example takes is up to how busy the machine is.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
PROCESS_BYTES = 1 << 30
"""What one process of pytest takes at most, with what its tests start beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests last: whoever waits for the suite learns of a plain mistake in its first minute."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_collection_finish() -> None:
    """What was imported and collected lasts: looking through it again and again finds no garbage."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """Two more than processors, as far as the memory goes: ``-n auto`` takes it.

    A test often waits, for a connection that ends or a lease that lapses, and with one process of pytest for
    each processor these are idle meanwhile.
    """
    processors = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(processors + 2, memory // PROCESS_BYTES))
