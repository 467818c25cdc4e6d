"""Die on purpose, for the tests that see what is left: ``PULLYARD_CRASH_AT=name`` or ``name:3``."""

import os
import signal

from pullyard.lifecycle.crash_points import install

VARIABLE = "PULLYARD_CRASH_AT"


def crash_where_asked() -> None:
    """Does nothing but read the variable where it is not set, which is everywhere outside of tests."""
    wanted, _, number = os.environ.get(VARIABLE, "").partition(":")
    if not wanted:
        return
    left = int(number or 1)

    def die(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                # As the kernel does it when memory is short: nothing of ours runs any more.
                os.kill(os.getpid(), signal.SIGKILL)

    install(die)
