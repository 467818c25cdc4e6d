"""Options that say what is wanted: of a task, and of each candidate of a comparison."""

from typing import Annotated

import typer

ProjectArgument = Annotated[str, typer.Argument(help="Its name or its id.")]
Title = Annotated[str, typer.Argument(help="What is wanted, in one line.")]
Description = Annotated[str, typer.Option("--description", "-d", help="'-' reads stdin.")]
Accept = Annotated[list[str], typer.Option(help="An acceptance criterion. Repeatable.")]
File = Annotated[list[str], typer.Option(help="A file to look at first. Repeatable.")]
Verify = Annotated[list[str], typer.Option(help="A command that proves the work. Repeatable.")]
Priority = Annotated[int | None, typer.Option(help="Higher runs earlier.")]
Labels = Annotated[list[str], typer.Option(help="What a worker must have. Repeatable.")]
After = Annotated[
    list[str], typer.Option("--after", "--depends-on", help="A task that must be done before. Repeatable.")
]
Base = Annotated[str | None, typer.Option(help="The base branch; default: the project's.")]
