"""Fixtures for every kind of test; each plugin is a module beside this one."""

pytest_plugins = ["tests.postgres", "tests.coordinator", "tests.system"]
