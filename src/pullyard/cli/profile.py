"""Which coordinator the commands talk to, and with which token."""

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pullyard.cli.places import config_directory, default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.files.writes import replace_file
from pullyard.protocol.errors import RequestError
from pullyard.sdk.client import Client

LOCAL_PROFILE = "profile.json"


class Profile(BaseModel):
    url: str
    token: str | None = None


def login_profile_path() -> Path:
    return config_directory() / LOCAL_PROFILE


def save_profile(path: Path, profile: Profile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(path, f"{profile.model_dump_json()}\n".encode())


def read_profile(path: Path) -> Profile | None:
    """None where there is none."""
    try:
        return Profile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RequestError(
            f"The profile {path} can't be read: remove it, or mend its permissions."
        ) from error


def choose_profile(data: Path | None) -> Profile:
    """The environment, then the named data directory, then the login, then the default data directory."""
    url = os.environ.get("PULLYARD_URL")
    if url:
        return Profile(url=url, token=os.environ.get("PULLYARD_TOKEN"))
    places = [data / LOCAL_PROFILE] if data else []
    if not data:
        places = [login_profile_path(), default_data_directory() / LOCAL_PROFILE]
    profile = next(filter(None, map(read_profile, places)), None)
    if profile is not None:
        return Profile(url=profile.url, token=os.environ.get("PULLYARD_TOKEN", profile.token))
    where = f" (nothing has run in {data} yet)" if data else ""
    raise RequestError(
        f"No coordinator is known{where}: start one here with 'pullyard up', or name one with "
        "'pullyard login URL'.",
        code="no-profile",
    )


def connect(terminal: Terminal) -> Client:
    profile = choose_profile(terminal.data)
    return Client(profile.url, profile.token)
