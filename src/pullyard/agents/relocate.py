"""Where a sandbox shows files at their real paths, an invocation must name those."""

from collections.abc import Callable
from dataclasses import replace

from pullyard.agents.protocol import TASK_DIRECTORY, Invocation


def relocate(invocation: Invocation, path_of: Callable[[str], str]) -> Invocation:
    """Names every task file and program as the sandbox's ``path_of`` does; most sandboxes change nothing."""
    named = [*(f"{TASK_DIRECTORY}/{name}" for name in invocation.files), *invocation.programs]
    moved = {path: path_of(path) for path in named if path_of(path) != path}

    def rewrite(text: str) -> str:
        for path, real in moved.items():
            text = text.replace(path, real)
        return text

    return replace(
        invocation,
        argv=[rewrite(argument) for argument in invocation.argv],
        environment={name: rewrite(value) for name, value in invocation.environment.items()},
    )
