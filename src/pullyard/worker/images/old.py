"""Images that were built here and that nobody has used for long."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.worker.images.build import LABEL, REPOSITORY, tag_of
from pullyard.worker.images.build_watch import STEP_LABEL
from pullyard.worker.images.room import remove_image

UNUSED = timedelta(days=7)


async def mark_used(engine: Engine, key: str) -> None:
    """A new tag of the same name: the engine keeps its time, for all workers that use it."""
    repository, _, tag = tag_of(key).rpartition(":")
    await engine.call("POST", f"/images/{tag_of(key)}/tag", query={"repo": repository, "tag": tag})


async def remove_old_images(engine: Engine, unused: timedelta = UNUSED) -> int:
    """How many are gone, with what was left of builds. Raises EngineRefused.

    Those that a container still has stay, as does whatever was pulled.
    """
    query = {"filters": {"label": [LABEL]}}
    removed = 0
    for image in await engine.call("GET", "/images/json", query=query) or []:
        names = [name for name in image.get("RepoTags") or () if name.startswith(f"{REPOSITORY}:")]
        if names and datetime.now(UTC) - await last_use(engine, image) > unused:
            removed += sum([await remove_image(engine, name) for name in names])
    left = {"dangling": ["true"], "label": [STEP_LABEL], "until": [f"{int(unused.total_seconds())}s"]}
    await engine.call("POST", "/images/prune", query={"filters": left})
    return removed


async def last_use(engine: Engine, image: dict[str, Any]) -> datetime:
    """An image that is gone meanwhile was used just now."""
    made = datetime.fromtimestamp(int(image["Created"]), UTC)
    try:
        found = await engine.call("GET", f"/images/{image['Id']}/json")
    except EngineRefused as refused:
        if refused.status == 404:
            return datetime.now(UTC)
        raise
    told = (found.get("Metadata") or {}).get("LastTagTime") or ""
    try:
        return max(made, datetime.fromisoformat(str(told)))
    except (ValueError, TypeError):
        return made
