"""``pullyard worker clean``: make room in the worker's data directory, or say what that would remove."""

from typing import Annotated

import typer

from pullyard.cli.terminal import Terminal
from pullyard.cli.worker_salvage import worker_data
from pullyard.protocol.errors import RequestError
from pullyard.worker.clean import Place, remove, survey

DAY_SECONDS = 86_400.0


def clean(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only say it.")] = False,
    unused_days: Annotated[
        float, typer.Option("--unused-days", min=0, help="Only what nobody used for so long.")
    ] = 0.0,
) -> None:
    """Remove what is made again when it is needed, and say why the rest stays. Safe while the worker runs."""
    terminal: Terminal = context.obj
    try:
        found = survey(worker_data(terminal), unused_seconds=unused_days * DAY_SECONDS)
        outcomes = [(place, place.stays if dry_run else remove(place)) for place in found]
    except PermissionError as error:
        raise RequestError(
            f"{error.filename} can't be read or removed: run this as the account that the worker runs as."
        ) from error
    except OSError as error:
        raise RequestError(f"{error.filename} can't be removed: {error.strerror}.") from error
    gone = [place for place, stays in outcomes if stays is None]
    kept = [(place, stays) for place, stays in outcomes if stays is not None]
    _say(terminal, gone, kept, dry_run=dry_run)
    terminal.finish(
        {
            "dry_run": dry_run,
            "freed_bytes": sum(place.size_bytes for place in gone),
            "removed": [_document(place) for place in gone],
            "kept": [{**_document(place), "stays": stays} for place, stays in kept],
        }
    )


def _say(terminal: Terminal, gone: list[Place], kept: list[tuple[Place, str]], *, dry_run: bool) -> None:
    verb = "Would remove" if dry_run else "Removed"
    terminal.say(f"{verb} {len(gone)} and make {_size(sum(place.size_bytes for place in gone))} of room.")
    if gone:
        rows = [(place.kind, _size(place.size_bytes), place.about, place.path) for place in gone]
        terminal.rows(("KIND", "SIZE", "ABOUT", "PLACE"), rows)
    if kept:
        terminal.say()
        terminal.say(f"Kept: {len(kept)}, of {_size(sum(place.size_bytes for place, _ in kept))}.")
        shown = [(place.kind, _size(place.size_bytes), place.about, stays) for place, stays in kept]
        terminal.rows(("KIND", "SIZE", "ABOUT", "WHY"), shown)


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _document(place: Place) -> dict[str, object]:
    return {
        "kind": place.kind,
        "path": str(place.path),
        "size_bytes": place.size_bytes,
        "used_at": place.used_at,
        "about": place.about,
    }
