"""``pullyard backup``: the database in one file."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.coordinator_options import DEFAULT_PORT, read_settings
from pullyard.cli.places import default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.coordinator.maintenance import archive_url, back_up

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def backup(
    context: typer.Context, file: Annotated[Path, typer.Argument(help="It is replaced where it exists.")]
) -> None:
    """Write everything in the database into one file, also while the coordinator works."""
    terminal: Terminal = context.obj
    data = (terminal.data or default_data_directory()).absolute()
    settings = read_settings(data, host="127.0.0.1", port=DEFAULT_PORT, public_url=None)
    asyncio.run(back_up(settings, file.absolute()))
    size_bytes = file.stat().st_size
    terminal.say(f"Wrote {file} ({size_bytes} bytes). It holds hashes of tokens: keep it private.")
    archive = archive_url(settings)
    if archive is not None:
        terminal.say(f"Archived logs are not in it, but in {archive}: save that place now, after this file.")
    terminal.finish({"file": str(file.absolute()), "size_bytes": size_bytes, "archive": archive})
