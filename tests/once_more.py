"""``--once-more``: a few tests that failed among all the others run again, one after the other.

A test that passes then depends on time, or on what ran beside it: it is named at the end, its failure
stands in full above, and it wants mending. One that fails again, or more than a few at once, fail the run.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from xml.etree import ElementTree

import pytest

MOST = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--once-more", action="store_true", help="run a few failed tests again, alone")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """After the summary, and after all processes of the run have ended."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    # A run that was told to stop has more that did not pass.
    whole = session.exitstatus == pytest.ExitCode.TESTS_FAILED and not session.shouldfail
    if reporter is None or not whole or not session.config.getoption("once_more"):
        return
    failed = sorted(
        {report.nodeid for kind in ("failed", "error") for report in reporter.stats.get(kind, ())}
    )
    if not 0 < len(failed) <= MOST:
        return
    reporter.section("once more, one after the other")
    reporter.flush()
    if passed_alone(failed) == len(failed):
        session.exitstatus = pytest.ExitCode.OK
        reporter.line("\n  ".join(("Unstable: failed above, passed alone. Mend them:", *failed)))


def passed_alone(tests: list[str]) -> int:
    """How many of them; one that is skipped has not."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTEST_ADDOPTS"}
    with tempfile.TemporaryDirectory() as place:
        told = Path(place) / "told.xml"
        words = (sys.executable, "-m", "pytest", f"--junitxml={told}", *tests)
        if subprocess.run(words, env=environment, check=False).returncode:
            return 0
        suite = ElementTree.parse(told).find("testsuite")
    assert suite is not None
    return int(suite.get("tests", 0)) - int(suite.get("skipped", 0))
