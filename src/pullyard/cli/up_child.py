"""``pullyard up`` as a child of the demo: the whole system as any user starts it, ended with its parent."""

import json
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pullyard.protocol.errors import PullyardError

READY_SECONDS = 120.0
STOP_SECONDS = 20.0
TAIL_LINES = 15


class SystemFailed(PullyardError):
    """The system did not come up; the message holds what it said last."""


class UpChild:
    """Starts at once. ``ready`` waits; ``stop`` may be called in any state, repeatably."""

    def __init__(self, data: Path) -> None:
        self.log_path = data / "up.log"
        # It holds a login link.
        self.log_path.touch(mode=0o600)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pullyard.cli", "up", "--json", "--exit-with-parent"),
                    *("--port", "0", "--data", str(data)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # The terminal's Ctrl-C is for the parent, which then ends this one in order.
                start_new_session=True,
            )

    def ready(self) -> dict[str, Any]:
        """What ``up --json`` says of itself. Raises SystemFailed."""
        stdout = self._process.stdout
        assert stdout is not None
        give_up_at = time.monotonic() + READY_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(give_up_at - time.monotonic()):
                raise SystemFailed(f"The system was not ready in {READY_SECONDS:.0f} s: see {self.log_path}.")
        line = stdout.readline()
        try:
            said = json.loads(line)
        except ValueError as error:
            raise SystemFailed(
                f"The system ended while it started: see {self.log_path}.", details={"log": self.last_words()}
            ) from error
        if "error" in said:
            raise SystemFailed(said["error"]["message"])
        return said

    def wait(self) -> int:
        return self._process.wait()

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def last_words(self) -> list[str]:
        return self.log_path.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
