"""What ``pullyard up`` leaves for the commands on its own machine: where it is, and a token."""

from pathlib import Path

from pullyard.cli.profile import LOCAL_PROFILE, Profile, read_profile, save_profile
from pullyard.coordinator.auth.identify import Unauthenticated
from pullyard.coordinator.server import Served


async def write_local_profile(served: Served, data: Path) -> None:
    """A token that still works is kept, so that not every start leaves another one behind."""
    path = data / LOCAL_PROFILE
    known = read_profile(path)
    token = known.token if known else None
    if token is None or not await _works(served, token):
        token = await served.api_token("commands on this machine")
    save_profile(path, Profile(url=served.url, token=token))


async def _works(served: Served, token: str) -> bool:
    try:
        await served.services.authenticator.identify(token)
    except Unauthenticated:
        return False
    return True
