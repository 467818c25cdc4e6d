"""What can be told of a branch's name and a repository's address without asking git."""

import re

from pullyard.protocol.errors import RequestError

# The rules of git-check-ref-format, and no leading dash, which a program would take for an option.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|^[-/]|[/.]$|^@$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEMES = ("https", "http", "ssh", "file")


def check_branch(name: str | None) -> None:
    if name is not None and _FORBIDDEN.search(name):
        raise RequestError("This can't be the name of a git branch.", code="invalid-branch")


def check_repository(address: str) -> None:
    """A path, ``user@host:path`` or an address of a scheme that git servers speak."""
    scheme, separator, _ = address.partition("://")
    helper = "::" in address.split("/", 1)[0]
    if (
        address.startswith("-")
        or _CONTROL.search(address)
        or helper
        or (separator and scheme not in _SCHEMES)
    ):
        raise RequestError("A repository is a path, or an SSH or HTTP address.", code="invalid-repository")
