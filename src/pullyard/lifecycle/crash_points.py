"""Named places where a process may be made to die, to see what is left; they do nothing outside of tests."""

from collections.abc import Callable


class _Points:
    handler: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Called right before or after a commit or an effect on the outside."""
    if _Points.handler is not None:
        _Points.handler(name)


def install(handler: Callable[[str], None] | None) -> None:
    """At the process's entry point, once; None takes it away."""
    _Points.handler = handler
