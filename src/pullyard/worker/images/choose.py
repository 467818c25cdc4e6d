"""The choice of an execution's image, by the project's settings, else by the files of its base commit."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pullyard.git.program import Git
from pullyard.worker.base_files import read_file, top_names
from pullyard.worker.images import devcontainer, dockerfile
from pullyard.worker.images.devcontainer import BuildWish, Devcontainer, read_devcontainer
from pullyard.worker.images.dockerfile import Recipe, read_dockerfile
from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.kinds import DEFAULT_IMAGES, kind_of
from pullyard.worker.images.references import registry_of


@dataclass(frozen=True)
class BaseTree:
    """The base commit in the worker's mirror: never a working copy, which an agent could have written to."""

    git: Git
    mirror: Path
    commit: str

    async def read(self, path: str, limit_bytes: int) -> bytes | None:
        return await read_file(self.git, self.mirror, self.commit, path, limit_bytes)

    async def names(self) -> list[str]:
        return await top_names(self.git, self.mirror, self.commit)

    async def tree_of(self, path: str) -> str | None:
        """The object id of a directory, which its content alone decides; None where there is none."""
        name = f"{self.commit}:{path}"
        found = await self.git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", name, git_dir=self.mirror
        )
        kind = await self.git.run("cat-file", "-t", found.text or "-", git_dir=self.mirror)
        return found.text if kind.text == "tree" else None


@dataclass(frozen=True)
class BuildPlan:
    """An image to be built from one directory of the base commit, of exactly these bytes."""

    base: BaseTree
    tree: str
    recipe: Recipe
    dockerfile: str
    """Its path in the repository, for people."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None

    def key(self, *outside: str | None) -> str:
        """Two builds with the same key make the same image. ``outside`` is what decides it besides."""
        parts = [self.tree, self.recipe.text, sorted(self.arguments.items()), self.target, outside]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class ImageChoice:
    """Either a ``name`` or a ``build``; ``source`` says by what it was chosen, for people."""

    source: str
    name: str | None = None
    build: BuildPlan | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """For set-up, agent and verification alike; the agent's own variables stand over it."""
    setup: Sequence[Sequence[str]] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ChoiceRules:
    """``images`` are names by kind of repository, ``registries`` those that a repository's files may name."""

    images: Mapping[str, str] = field(default_factory=dict)
    registries: Sequence[str] = ()

    def is_allowed(self, name: str) -> bool:
        return registry_of(name) in self.registries

    def image_of(self, kind: str) -> str:
        return {**DEFAULT_IMAGES, **self.images}[kind]


async def choose_image(base: BaseTree, wanted: str | None, rules: ChoiceRules, workspace: str) -> ImageChoice:
    """``wanted`` is the project's own setting, which nothing in the repository overrides.

    Raises ImageRefused where the repository's files ask for what can't be.
    """
    if wanted is not None:
        return ImageChoice("the project's settings", name=wanted)
    found: Devcontainer | None = None
    for place in devcontainer.PLACES:
        content = await base.read(place, devcontainer.LIMIT_BYTES)
        if content is not None:
            found = read_devcontainer(content, place, workspace)
            if found.image or found.build:
                return await from_devcontainer(base, found, place, rules)
            break
    kind = kind_of(await base.names())
    about = found or Devcontainer()
    return ImageChoice(
        f"the repository's files ({kind})",
        name=rules.image_of(kind),
        environment=about.environment,
        setup=about.setup,
        warnings=about.warnings,
    )


async def from_devcontainer(
    base: BaseTree, found: Devcontainer, place: str, rules: ChoiceRules
) -> ImageChoice:
    if found.image and not rules.is_allowed(found.image):
        raise ImageRefused(
            f"{place}: images of {registry_of(found.image)} are not taken: "
            "add it to image_registries of the worker, or set the project's image."
        )
    build = await plan_build(base, found.build, place, rules.is_allowed) if found.build else None
    return ImageChoice(place, found.image, build, found.environment, found.setup, found.warnings)


async def plan_build(
    base: BaseTree, wish: BuildWish, place: str, is_allowed: Callable[[str], bool]
) -> BuildPlan:
    content = await base.read(wish.dockerfile, dockerfile.LIMIT_BYTES)
    if content is None:
        raise ImageRefused(f"{place}: build.dockerfile names {wish.dockerfile}, which is not there.")
    tree = await base.tree_of(wish.context)
    if tree is None:
        raise ImageRefused(f"{place}: build.context names {wish.context}, which is no directory.")
    recipe = read_dockerfile(content, wish.dockerfile, wish.arguments, is_allowed)
    return BuildPlan(base, tree, recipe, wish.dockerfile, wish.arguments, wish.target)
