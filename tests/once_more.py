"""``--once-more``: a few tests that failed among all the others run again, one after the other.

A test that passes then depends on time, or on what ran beside it: it is named at the end, its failure
stands in full above, and it wants mending. One that fails again, or more than a few at once, fail the run.
"""

import subprocess
import sys
from collections.abc import Generator

import pytest

MOST = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--once-more", action="store_true", help="run a few failed tests again, alone")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """After the summary, and after all processes of the run have ended."""
    yield
    if not session.config.getoption("once_more") or session.exitstatus != pytest.ExitCode.TESTS_FAILED:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    failed = sorted(
        {report.nodeid for kind in ("failed", "error") for report in reporter.stats.get(kind, ())}
    )
    if not 0 < len(failed) <= MOST:
        return
    reporter.section("once more, one after the other")
    reporter.flush()
    session.exitstatus = subprocess.run([sys.executable, "-m", "pytest", *failed], check=False).returncode
    if session.exitstatus == 0:
        reporter.line("\n  ".join(("Unstable: failed above, passed alone. Mend them:", *failed)))
