"""Bare repositories made as plain files: no process is started, no template is read."""

from collections.abc import Sequence
from pathlib import Path


def object_format(object_id: str) -> str:
    return "sha256" if len(object_id) == 64 else "sha1"


def make_bare(directory: Path, *, borrows: Sequence[Path] = (), object_format: str = "sha1") -> Path:
    """Make an empty bare repository that reads the objects of ``borrows`` too. Repeatable."""
    (directory / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (directory / "objects" / "pack").mkdir(exist_ok=True)
    (directory / "refs" / "heads").mkdir(parents=True, exist_ok=True)
    if borrows:
        # Quoted, because git reads a plain line that starts with # as a comment and " as a quote.
        lines = "".join(f'"{escape(path)}"\n' for path in borrows)
        (directory / "objects" / "info" / "alternates").write_text(lines)
    version = "1" if object_format == "sha256" else "0"
    config = f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n"
    if object_format == "sha256":
        config += "[extensions]\n\tobjectFormat = sha256\n"
    (directory / "config").write_text(config)
    (directory / "HEAD").write_text("ref: refs/heads/main\n")
    return directory


def escape(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
