"""Programs of ours that run in a sandbox, as one zip that its Python starts."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from importlib.resources import files


def pack(content: Mapping[str, bytes]) -> bytes:
    """``__main__.py`` among it is what runs; the rest can be imported."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, source in content.items():
            archive.writestr(path, source)
    return packed.getvalue()


def package(place: str) -> dict[str, bytes]:
    """The modules of ``pullyard/<place>``, of the packages around it no more than makes it one."""
    above = place.split("/")[:-1]
    around = ["/".join(above[:count]) for count in range(len(above) + 1)]
    found = {path: source for outer in around for path, source in _modules(outer) if path.endswith("__.py")}
    return found | dict(_modules(place))


def _modules(place: str) -> Iterator[tuple[str, bytes]]:
    directory = files("pullyard").joinpath(place) if place else files("pullyard")
    for source in sorted(directory.iterdir(), key=lambda one: one.name):
        if source.name.endswith(".py"):
            yield "/".join(filter(None, ("pullyard", place, source.name))), source.read_bytes()
