"""The built web interface: hashed files for ever, the index for every address that the pages know."""

from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pullyard</title></head>
<body><p>Run 'make web'.</p></body></html>
"""

SESSION = "/api/v1/session"
BOARD = "/api/v1/board"
PROJECTS = "/api/v1/projects?limit=200"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What a file was compressed by when the pages were built, the best first, and what its name has then."""


class HashedFiles(StaticFiles):
    """Their names change with their content, so a browser never has to ask twice."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await self._compressed(path, scope) or await super().get_response(path, scope)
        if response.status_code in (200, 304):
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
            response.headers["vary"] = "accept-encoding"
        return response

    async def _compressed(self, path: str, scope: Scope) -> Response | None:
        """None where the file has no form that the browser takes."""
        wishes = Headers(scope=scope).get("accept-encoding", "").split(",")
        taken = {wish.partition(";")[0].strip() for wish in wishes}
        for encoding, suffix in ENCODINGS.items():
            if encoding not in taken or not self.lookup_path(path + suffix)[1]:
                continue
            response = await super().get_response(path + suffix, scope)
            response.headers["content-encoding"] = encoding
            response.headers["content-type"] = f"{guess_type(path)[0]}; charset=utf-8"
            return response
        return None


# The files may be built while the coordinator runs.
assets = HashedFiles(directory=STATIC / "assets", check_dir=False)


@router.get("/")
async def board(project: str | None = None) -> Response:
    """What the board asks for first is on its way before the scripts that ask for it have come."""
    asked = (SESSION,) if project else (SESSION, BOARD, PROJECTS)
    return index_page(asked)


@router.get("/automation")
@router.get("/automation/{_id}")
@router.get("/changes/{_id}")
@router.get("/comparisons/{_id}")
@router.get("/costs")
@router.get("/review")
@router.get("/settings")
@router.get("/start")
@router.get("/tasks/{_id}")
@router.get("/workers")
async def index(_id: str = "") -> Response:
    """The same page for all: its own router reads the address."""
    return index_page((SESSION,))


def index_page(asked: tuple[str, ...]) -> Response:
    """``asked``: what its scripts read first, word for word, or the browser would read it twice."""
    headers = {"cache-control": "no-cache"}
    page = STATIC / "index.html"
    if not page.is_file():
        return HTMLResponse(NOT_BUILT, headers=headers)
    headers["link"] = ", ".join(f"<{path}>; rel=preload; as=fetch; crossorigin" for path in asked)
    return FileResponse(page, media_type="text/html", headers=headers)


@router.get("/mark.svg")
async def mark() -> Response:
    return FileResponse(STATIC / "mark.svg", media_type="image/svg+xml")


@router.get("/mark.png")
async def large_mark() -> Response:
    """For the start screens of phones, which take no other kind."""
    return FileResponse(STATIC / "mark.png", media_type="image/png")


@router.get("/sw.js")
async def service_worker() -> Response:
    """Its address is its reach, so it is at the top; browsers look for a new one by themselves."""
    headers = {"cache-control": "no-cache"}
    return FileResponse(STATIC / "sw.js", media_type="text/javascript", headers=headers)


@router.get("/app.webmanifest")
async def manifest() -> Response:
    """How the pages look when they are installed as an application."""
    return FileResponse(STATIC / "app.webmanifest", media_type="application/manifest+json")
