"""What an exit code means, in words for the user."""

import signal

from pullyard.agents.protocol import Verdict
from pullyard.lifecycle.reasons import Reason

_SIGNAL_BASE = 128
_SIGNALS = {int(number): number.name for number in signal.Signals}
NOT_EXECUTABLE = 126
NOT_FOUND = 127
SILENT = "{} ended without a result: see the log for what it said last."
"""Of a program that said nothing of what it is known to say."""


def judge_exit(exit_code: int, program: str) -> Verdict:
    """Zero lets the harvest decide. ``program`` is what was started."""
    if exit_code == 0:
        return Verdict()
    if exit_code == NOT_FOUND:
        message = f"The program {program} was not found in the sandbox: install it on the worker, in /usr."
        return Verdict(Reason.AGENT_MISSING, message)
    if exit_code == NOT_EXECUTABLE:
        message = f"The program {program} can't be executed in the sandbox: check its permissions."
        return Verdict(Reason.AGENT_MISSING, message)
    name = _SIGNALS.get(exit_code - _SIGNAL_BASE)
    if name:
        message = f"{program} was ended by {name}: see the log, and whether it needs more memory or time."
    else:
        message = f"{program} ended with exit code {exit_code}: see the log for what it said last."
    return Verdict(Reason.AGENT_FAILED, message)
