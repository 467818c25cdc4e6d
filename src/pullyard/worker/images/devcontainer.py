"""``devcontainer.json``: what of it a sandbox can be made of, as docs/reference/devcontainer.md lists it.

The file is of the repository, so hostile: nothing of it reaches the host, and what would weaken the sandbox
is left out with a warning. Source of the words: the Development Container Specification, containers.dev.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.jsonc import NotJson, read_jsonc
from pullyard.worker.images.references import is_reference

PLACES = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""Where it lies; the first that is there counts."""
LIMIT_BYTES = 64 << 10
MAX_VARIABLES = 100
VALUE_CHARACTERS = 8192
MAX_COMMANDS = 20
WORKSPACE_VARIABLE = "${containerWorkspaceFolder}"

_USED = frozenset(
    {"image", "build", "dockerFile", "context", "remoteEnv", "containerEnv", "postCreateCommand"}
)
_FOR_EDITORS = frozenset(
    {
        *("$schema", "name", "customizations", "settings", "extensions", "devPort", "secrets"),
        *("forwardPorts", "portsAttributes", "otherPortsAttributes", "shutdownAction", "waitFor"),
        *("userEnvProbe", "postAttachCommand"),
    }
)
_REFUSED = frozenset(
    {
        *("runArgs", "mounts", "privileged", "capAdd", "securityOpt", "workspaceMount", "workspaceFolder"),
        *("hostRequirements", "initializeCommand", "features", "overrideFeatureInstallOrder", "init"),
        *("dockerComposeFile", "service", "runServices", "appPort", "containerUser", "remoteUser"),
        *("updateRemoteUserUID", "overrideCommand", "onCreateCommand", "updateContentCommand"),
        "postStartCommand",
    }
)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class BuildWish:
    """Paths are of the repository, without a leading slash; an empty ``context`` is all of it."""

    dockerfile: str
    context: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


@dataclass(frozen=True)
class Devcontainer:
    """At most one of ``image`` and ``build`` is given."""

    image: str | None = None
    build: BuildWish | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    setup: Sequence[Sequence[str]] = ()
    warnings: Sequence[str] = ()


def read_devcontainer(content: bytes, place: str, workspace: str) -> Devcontainer:
    """``place`` is the file's path in the repository, ``workspace`` the working copy's in the sandbox.

    Raises ImageRefused with the sentence that its owner needs, and nothing else, whatever the bytes are.
    """
    if len(content) >= LIMIT_BYTES:
        raise ImageRefused(f"{place} is larger than {LIMIT_BYTES >> 10} KiB: make it smaller.")
    try:
        given = read_jsonc(content)
    except NotJson as error:
        raise ImageRefused(f"{place} can't be read, {error}: mend it, or set the project's image.") from error
    if not isinstance(given, dict):
        raise ImageRefused(f"{place} is not an object: mend it, or set the project's image.")
    return _Reader(given, place, workspace).read()


class _Reader:
    def __init__(self, given: dict[str, Any], place: str, workspace: str) -> None:
        self.given = given
        self.place = place
        self.workspace = workspace
        self.warnings: list[str] = []

    def read(self) -> Devcontainer:
        build = self.build()
        image = None if build else self.image()
        environment = self.variables("containerEnv") | self.variables("remoteEnv")
        setup = self.commands(self.given.get("postCreateCommand"))
        self.tell_ignored()
        return Devcontainer(image, build, environment, setup, self.warnings)

    def tell_ignored(self) -> None:
        ignored = sorted(_REFUSED & self.given.keys())
        unknown = len(self.given.keys() - _REFUSED - _USED - _FOR_EDITORS)
        if unknown:
            # Their names are the repository's own words, and could be anything.
            ignored.append(f"{unknown} unknown setting{'s' if unknown > 1 else ''}")
        if ignored:
            self.warnings.append(f"{self.place}: ignored {', '.join(ignored)}; sandboxes are made without.")

    def refuse(self, what: str) -> ImageRefused:
        return ImageRefused(f"{self.place}: {what}.")

    def image(self) -> str | None:
        name = self.given.get("image")
        if name is None:
            return None
        if not isinstance(name, str) or not is_reference(name):
            raise self.refuse("image is no name of an image")
        return name

    def build(self) -> BuildWish | None:
        build = self.given.get("build")
        if build is None and "dockerFile" in self.given:
            build = {"dockerfile": self.given["dockerFile"], "context": self.given.get("context", ".")}
        if build is None:
            return None
        if not isinstance(build, dict):
            raise self.refuse("build is not an object")
        target = build.get("target")
        if target is not None and (not isinstance(target, str) or not re.fullmatch(r"[\w.-]{1,100}", target)):
            raise self.refuse("build.target is no name of a stage")
        if build.keys() - {"dockerfile", "context", "args", "target"}:
            self.warnings.append(
                f"{self.place}: of build only dockerfile, context, args and target are used."
            )
        return BuildWish(
            dockerfile=self.path(build.get("dockerfile"), "build.dockerfile"),
            context=self.path(build.get("context", "."), "build.context"),
            arguments=self.texts(build.get("args"), "build.args"),
            target=target,
        )

    def path(self, given: Any, name: str) -> str:
        """In the repository; relative paths begin where the file lies."""
        if not isinstance(given, str) or not given or re.search(r"[\x00-\x1f\\:]", given):
            raise self.refuse(f"{name} is no relative path")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.place), given))
        if path.startswith(("/", "../")) or path == ".." or len(path) > 1000:
            raise self.refuse(f"{name} leads out of the repository")
        return "" if path == "." else path

    def variables(self, name: str) -> dict[str, str]:
        return self.texts(self.given.get(name), name)

    def texts(self, given: Any, name: str) -> dict[str, str]:
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise self.refuse(f"{name} is not an object")
        kept: dict[str, str] = {}
        for key, value in given.items():
            text = value.replace(WORKSPACE_VARIABLE, self.workspace) if isinstance(value, str) else ""
            if _VARIABLE_NAME.fullmatch(key) and len(kept) < MAX_VARIABLES and is_plain(value, text):
                kept[key] = text
        if len(kept) < len(given):
            self.warnings.append(
                f"{self.place}: {len(given) - len(kept)} of {name} left out: only plain texts are used, "
                "and nothing of the worker's machine."
            )
        return kept

    def commands(self, given: Any) -> list[list[str]]:
        """A text is for a shell, a list is one command, an object names several."""
        several = list(given.values()) if isinstance(given, dict) else [] if given is None else [given]
        commands = [self.command(one) for one in several]
        if len(commands) > MAX_COMMANDS:
            raise self.refuse(f"postCreateCommand has more than {MAX_COMMANDS} commands")
        return commands

    def command(self, given: Any) -> list[str]:
        words = ["sh", "-c", given] if isinstance(given, str) else given
        if (
            not isinstance(words, list)
            or not 0 < len(words) <= MAX_VARIABLES
            or not all(isinstance(word, str) and is_storable(word) for word in words)
        ):
            raise self.refuse(
                "postCreateCommand is neither a text nor a list of texts nor an object of these"
            )
        return [word.replace(WORKSPACE_VARIABLE, self.workspace) for word in words]


def is_plain(value: Any, text: str) -> bool:
    """Variables like ``${localEnv:TOKEN}`` would show the sandbox what the worker's owner has."""
    return isinstance(value, str) and "${" not in text and is_storable(text)


def is_storable(text: str) -> bool:
    """Fits into an environment or an argument."""
    return len(text) <= VALUE_CHARACTERS and not re.search(r"[\0\ud800-\udfff]", text)
