"""The options of ``pullyard project`` about how its changes stand on their forge."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from pullyard.protocol.overlaps import OverlapRule
from pullyard.protocol.resources import ChangeRuleSettings

NONE = "none"
"""Typed to have nobody and nothing."""

Forge = Annotated[
    str | None,
    typer.Option(help="auto, bare, github, gitlab, gitea or bitbucket: where changes are published."),
]
Draft = Annotated[bool | None, typer.Option("--draft/--ready", help="How changes are opened.")]
ChangeLabel = Annotated[
    list[str], typer.Option(help=f"Of its changes; instead of those it has. Repeatable; {NONE}.")
]
Reviewer = Annotated[
    list[str], typer.Option(help=f"An account of the forge; instead of those it has. Repeatable; {NONE}.")
]
Assignee = Annotated[
    list[str], typer.Option(help=f"An account of the forge; instead of those it has. Repeatable; {NONE}.")
]
CoAuthor = Annotated[
    list[str],
    typer.Option(help=f"'Name <address>', for its commits; instead of those it has. Repeatable; {NONE}."),
]
BranchPrefix = Annotated[str | None, typer.Option(help="Its branches begin with this, such as bots/.")]

OverlapOption = Annotated[
    OverlapRule | None,
    typer.Option("--overlap", help="Of work on the same files: warn, queue, or update what is overtaken."),
]


def with_rules(
    current: ChangeRuleSettings,
    names: Mapping[str, Sequence[str]],
    *,
    draft: bool | None,
    branch_prefix: str | None,
    overlap: OverlapRule | None,
) -> dict[str, Any] | None:
    """What was typed in place of what the project has; None where nothing was. ``names`` are its lists."""
    typed: dict[str, Any] = {
        name: [one for one in given if one != NONE] for name, given in names.items() if given
    }
    plain = {"draft": draft, "branch_prefix": branch_prefix, "overlap": overlap}
    typed |= {name: value for name, value in plain.items() if value is not None}
    return current.model_dump() | typed if typed else None
