"""The image of an execution, from the base commit's files to what a real engine has."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pullyard.git.program import Git
from pullyard.sandboxes.docker.engine import Engine
from pullyard.worker.images.build import BuildLimits
from pullyard.worker.images.choose import BaseTree, ChoiceRules, ImageChoice, choose_image
from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.supply import ImageSupply, SupplyLimits
from tests.docker_engine import DockerEngine
from tests.image_registry import image_registry
from tests.repositories import make_repository

RULES = ChoiceRules(registries=["docker.io"], images={"go": "example/go:1"})
DEVCONTAINER = json.dumps({"build": {"dockerfile": "Dockerfile"}, "containerEnv": {"A": "b"}})


async def base_of(place: Path, files: dict[str, str]) -> BaseTree:
    repository = make_repository(place, files)
    commit = (await Git().ok("rev-parse", "HEAD", git_dir=repository / ".git")).decode().strip()
    return BaseTree(Git(), repository / ".git", commit)


async def chosen(place: Path, files: dict[str, str], wanted: str | None = None) -> ImageChoice:
    return await choose_image(await base_of(place, files), wanted, RULES, "/ws")


def built_by(dockerfile: str, **others: str) -> dict[str, str]:
    return {".devcontainer/devcontainer.json": DEVCONTAINER, ".devcontainer/Dockerfile": dockerfile, **others}


@asynccontextmanager
async def supply(engine: DockerEngine, **limits: Any) -> AsyncIterator[ImageSupply]:
    client = Engine(engine.socket)
    supply = ImageSupply(client, SupplyLimits(build=BuildLimits(**limits)))
    try:
        yield supply
    finally:
        await supply.close()
        await client.close()


async def test_the_projects_setting_comes_before_the_repositorys_files(tmp_path: Path) -> None:
    files = {".devcontainer.json": '{"image": "node:22"}', "go.mod": ""}
    assert (await chosen(tmp_path / "a", files, "mine:1")).name == "mine:1"
    assert (await chosen(tmp_path / "b", files)).name == "node:22"
    assert (await chosen(tmp_path / "c", {"go.mod": ""})).name == "example/go:1"


async def test_a_repository_names_no_image_of_an_unlisted_registry(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="image_registries"):
        await chosen(tmp_path / "a", {".devcontainer.json": '{"image": "10.0.0.5:5000/secret"}'})


async def test_a_dockerfile_is_built_once_for_all_who_wait(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    text = f"FROM {docker_engine.image}\nCOPY note /note\nRUN cat /note && \\\n  echo shown\n"
    choice = await chosen(tmp_path / "r", built_by(text, **{".devcontainer/note": "from the base commit\n"}))
    told: list[bytes] = []
    async with supply(docker_engine) as images:
        ids = await asyncio.gather(*(images.provide(choice, None, told.append) for _ in range(3)))
        assert len(set(ids)) == 1
        log = b"".join(told).decode()
        assert log.count("line 3: RUN cat /note") == 3
        assert "from the base commit\n" in log
        told.clear()
        assert await images.provide(choice, None, told.append) == ids[0]
        assert told == []


async def test_a_failed_step_names_its_line_and_leaves_no_container(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    text = f"# a comment\nFROM {docker_engine.image}\n\nRUN true\nRUN true && \\\n  exit 7\n"
    before = len(docker_engine.containers())
    async with supply(docker_engine) as images:
        with pytest.raises(ImageRefused, match=r"Dockerfile: line 5 \(RUN true && exit 7\) failed: .*: 7"):
            await images.provide(await chosen(tmp_path / "r", built_by(text)), None, lambda _: None)
    assert len(docker_engine.containers()) == before


async def test_a_build_step_reaches_nothing(docker_engine: DockerEngine, tmp_path: Path) -> None:
    # Routes but for the table's head; every address but that of the loopback.
    script = "test $(wc -l < /proc/net/route) -le 1 && ! grep -vE ' lo$' /proc/net/if_inet6"
    text = f"FROM {docker_engine.image}\nRUN {script}\n"
    told: list[bytes] = []
    async with supply(docker_engine) as images:
        await images.provide(await chosen(tmp_path / "r", built_by(text)), None, told.append)


async def test_a_build_ends_at_its_time_limit(docker_engine: DockerEngine, tmp_path: Path) -> None:
    text = f"FROM {docker_engine.image}\nRUN sleep 600\n"
    async with supply(docker_engine, seconds=3) as images:
        with pytest.raises(ImageRefused, match=r"line 2 \(RUN sleep 600\) was not done after 3 seconds"):
            await images.provide(await chosen(tmp_path / "r", built_by(text)), None, lambda _: None)


async def test_a_large_context_is_refused(docker_engine: DockerEngine, tmp_path: Path) -> None:
    files = built_by(f"FROM {docker_engine.image}\n", **{".devcontainer/large": "x" * (1 << 20)})
    async with supply(docker_engine, context_bytes=1 << 18) as images:
        with pytest.raises(ImageRefused, match=r"smaller build\.context"):
            await images.provide(await chosen(tmp_path / "r", files), None, lambda _: None)


async def test_an_image_is_pulled_once_and_a_missing_one_says_what_to_do(docker_engine: DockerEngine) -> None:
    with image_registry() as registry:
        name = registry.add("team/base", {"hello": b"x" * 100_000})
        told: list[bytes] = []
        async with supply(docker_engine) as images:
            wanted = ImageChoice("the test", name=name)
            ids = await asyncio.gather(*(images.provide(wanted, None, told.append) for _ in range(2)))
            assert ids[0] == ids[1]
            assert sum("manifests" in path for path in set(registry.asked)) <= 2
            assert b"is there" in b"".join(told)
            with pytest.raises(ImageRefused, match=r"There is no image .*team/other.*docker load"):
                await images.provide(ImageChoice("", name=f"{registry.host}/team/other"), None, told.append)


async def test_steps_that_wait_in_a_base_image_are_refused(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    with image_registry() as registry:
        name = registry.add("team/trap", {"x": b""}, {"OnBuild": ["ADD http://169.254.169.254/ /x"]})
        rules = ChoiceRules(registries=[registry.host])
        base = await base_of(tmp_path / "r", built_by(f"FROM {name}\n"))
        choice = await choose_image(base, None, rules, "/ws")
        async with supply(docker_engine) as images:
            with pytest.raises(ImageRefused, match="ONBUILD"):
                await images.provide(choice, None, lambda _: None)
