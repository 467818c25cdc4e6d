"""Names of images: their grammar, and which registry they are of."""

import re

DEFAULT_REGISTRY = "docker.io"
NAME_CHARACTERS = 300

_HOST = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def is_reference(name: str) -> bool:
    return len(name) <= NAME_CHARACTERS and _REFERENCE.fullmatch(name) is not None


def registry_of(name: str) -> str:
    """The host that an engine asks for the image: what stands before the first slash, where it is a host."""
    first, slash, _ = name.partition("/")
    return (
        first.lower()
        if slash and ("." in first or ":" in first or first == "localhost")
        else DEFAULT_REGISTRY
    )


def with_tag(name: str) -> str:
    """As the engine lists it: without a tag or digest it is ``latest``."""
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in last else f"{name}:latest"
