"""Fixtures for every kind of test; each plugin is a module beside this one."""

import pytest

pytest_plugins = [
    "tests.postgres",
    "tests.coordinator",
    "tests.system",
    "tests.object_servers",
    "tests.docker_engine",
    "tests.attack_report",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests last: whoever waits for the suite learns of a plain mistake in its first minute."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
