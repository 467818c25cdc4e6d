"""The options of ``pullyard project`` about the sandbox of a project's tasks."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import DEFAULT_PROTECTED_PATHS, IsolationSettings

ANY = "any"
"""Typed to take a demand back."""

Sandbox = Annotated[str | None, typer.Option(help=f"docker or bubblewrap; {ANY}: the worker's best.")]
SandboxLevel = Annotated[
    str | None,
    typer.Option("--level", help=f"What it must have been measured to hold: isolated, hardened or {ANY}."),
]
Image = Annotated[str | None, typer.Option(help=f"Of docker; {ANY}: found by the repository's files.")]
Cpus = Annotated[float | None, typer.Option(help="Processors for one task.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="For one task, such as 4GiB.")]
Disk = Annotated[str | None, typer.Option(metavar="SIZE", help="For one task, such as 10GiB.")]

PushSalvage = Annotated[
    bool | None,
    typer.Option(
        help="Unfinished work is pushed to the repository too, so that any worker can go on from it."
    ),
]

NONE, DEFAULT = "none", "default"
Protect = Annotated[
    list[str],
    typer.Option(
        metavar="PATH",
        help=f"A person looks at its changes first; instead of those it has. Repeatable; {NONE}, {DEFAULT}.",
    ),
]
VerifyRetries = Annotated[
    int | None, typer.Option(help="How often a failed verification is run anew, on a fresh checkout.")
]


def with_protected(
    wish: dict[str, Any] | None, current: IsolationSettings | None, *, paths: Sequence[str]
) -> dict[str, Any] | None:
    """``wish`` with the protected paths that were typed; ``wish`` where none were."""
    if not paths:
        return wish
    named = {NONE: [], DEFAULT: list(DEFAULT_PROTECTED_PATHS)}
    whole = wish or (current or IsolationSettings()).model_dump(mode="json")
    return whole | {"protected_paths": [one for path in paths for one in named.get(path, [path])]}


def with_salvage(
    wish: dict[str, Any] | None, current: IsolationSettings | None, *, push: bool | None
) -> dict[str, Any] | None:
    """``wish`` with what was typed of unfinished work in its place; ``wish`` where nothing was."""
    if push is None:
        return wish
    whole = wish or (current or IsolationSettings()).model_dump(mode="json")
    return whole | {"salvage": {"push": push}}


def isolation_wish(
    current: IsolationSettings | None,
    *,
    backend: str | None,
    level: str | None,
    image: str | None,
    cpus: float | None,
    memory: str | None,
    disk: str | None,
) -> dict[str, Any] | None:
    """The whole ``isolation`` with what was typed in its place; None where nothing was."""
    typed: dict[str, Any] = {
        "backend": backend,
        "level": level,
        "image": image,
        "cpus": cpus,
        "memory_bytes": _bytes("--memory", memory),
        "disk_bytes": _bytes("--disk", disk),
    }
    given = {name: None if value == ANY else value for name, value in typed.items() if value is not None}
    if not given:
        return None
    whole = (current or IsolationSettings()).model_dump(mode="json")
    return whole | {"sandbox": whole["sandbox"] | given}


def _bytes(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise RequestError(f"{option} wants a size such as 4GiB, not '{text}'.") from error
