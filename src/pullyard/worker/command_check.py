"""Whether a command that is about to run was allowed, by a rule or by a person."""

import shlex
from collections.abc import Sequence

from pullyard.lifecycle.tool_routing import Verdict
from pullyard.worker.context import Context
from pullyard.worker.policy.decide import PolicyRefused, check_command

APPROVED = "approved_commands"
"""In the facts of the node before which a person allowed them."""


def needs_word(context: Context, argv: Sequence[str]) -> bool:
    approved = [one for fact in context.record.nodes for one in fact.facts.get(APPROVED, [])]
    return context.permit.command(argv).verdict is Verdict.ASK and list(argv) not in approved


def check_found(context: Context, commands: Sequence[Sequence[str]]) -> None:
    """For commands of a repository's own files, which come to light only when their node is under way.

    Raises PolicyRefused for one that is denied, or that a person would have to allow.
    """
    for argv in commands:
        check_command(context.permit, argv)
        if needs_word(context, argv):
            raise PolicyRefused(
                f"A person has to allow '{shlex.join(argv)[:200]}', which the repository's own files name: "
                "put it into the project's setup_commands, where it can be asked about."
            )
