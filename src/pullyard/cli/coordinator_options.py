"""The options that ``up`` and ``server`` share, and the settings that they make."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pullyard.cli.inputs import first_fault
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.protocol.errors import RequestError

DEFAULT_PORT = 7420
HIGHEST_PORT = 65_535

Port = Annotated[
    int, typer.Option(envvar="PULLYARD_PORT", min=0, max=HIGHEST_PORT, help="0 takes any free one.")
]
Host = Annotated[
    str, typer.Option(envvar="PULLYARD_HOST", help="The address to listen on; 0.0.0.0 is every one.")
]
PublicUrl = Annotated[
    str | None, typer.Option(envvar="PULLYARD_PUBLIC_URL", help="What a browser types, where it differs.")
]


def read_settings(data: Path, *, host: str, port: int, public_url: str | None) -> CoordinatorSettings:
    """Flags, then PULLYARD_* variables."""
    flags: dict[str, Any] = {"host": host, "port": port, "public_url": public_url, "data_dir": data}
    try:
        return CoordinatorSettings(**flags)
    except ValidationError as error:
        raise RequestError(f"The coordinator's settings can't be used: {first_fault(error)}.") from error
