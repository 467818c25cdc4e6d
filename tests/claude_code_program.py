"""A real Claude Code for tests: one on this machine, or installed with npm into the tests' cache."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pullyard.agents.claude_program import find_claude
from pullyard.agents.protocol import AgentMissing

PACKAGE = "@anthropic-ai/claude-code"
_INSTALL_SECONDS = 150


def install_claude_code() -> Path:
    """The program. Skips the test only where there is no npm, or no registry to reach."""
    try:
        return find_claude()
    except AgentMissing:
        if shutil.which("npm") is None:
            pytest.skip("Claude Code is not installed and there is no npm to install it with.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullyard-tests/claude-code"
    cache.mkdir(parents=True, exist_ok=True)
    installed = cache / "node_modules/.bin"
    # Test processes run side by side: one installs, the others wait for it.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (installed / "claude").exists():
            argv = ["npm", "install", "--no-fund", "--no-audit", "--fetch-retries=0", "--prefix", str(cache)]
            argv.append(PACKAGE)
            ended = subprocess.run(argv, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
            if ended.returncode != 0:
                pytest.skip(f"npm could not install Claude Code: {ended.stderr[-300:]}")
    return find_claude({"PATH": str(installed)})
