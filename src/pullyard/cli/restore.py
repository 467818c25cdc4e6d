"""``pullyard restore``: the database from a backup."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.coordinator_options import DEFAULT_PORT, read_settings
from pullyard.cli.places import default_data_directory, make_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.coordinator.maintenance import archive_url, restore_from

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What 'pullyard backup' wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Needed where the database holds something: it goes.")
    ] = False,
) -> None:
    """Bring back all of a backup or nothing, while no coordinator runs."""
    terminal: Terminal = context.obj
    data = make_data_directory(terminal.data or default_data_directory()).absolute()
    settings = read_settings(data, host="127.0.0.1", port=DEFAULT_PORT, public_url=None)
    asyncio.run(restore_from(settings, file.absolute(), replace=replace))
    terminal.say(f"Restored {file}. Start it with 'pullyard up'.")
    archive = archive_url(settings)
    if archive is not None:
        terminal.say(f"Archived logs are read from {archive}: bring them back there.")
    terminal.finish({"file": str(file.absolute()), "archive": archive})
