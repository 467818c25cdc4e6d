"""ETag and If-Match: an edit made on a stale reading is refused instead of overwriting."""

from typing import Annotated

from fastapi import Header, Response

from pullyard.protocol.errors import RequestError

IfMatch = Annotated[str | None, Header(max_length=100, description='the ETag that was read, such as "3"')]


def set_etag(response: Response, version: int) -> None:
    response.headers["etag"] = f'"{version}"'


def check_version(if_match: str | None, version: int) -> None:
    """None and ``*`` match everything."""
    if if_match is None or if_match.strip() == "*":
        return
    wanted = {part.strip().removeprefix("W/").strip('"') for part in if_match.split(",")}
    if str(version) not in wanted:
        raise RequestError(
            "This was changed meanwhile: read it again and repeat the edit.",
            code="edit-conflict",
            status=412,
            details={"version": version},
        )
