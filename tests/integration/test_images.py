"""The image of an execution, from the base commit's files to what a real engine has."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pullyard.git.program import Git
from pullyard.sandboxes.docker.engine import Engine
from pullyard.worker.images.build import BuildLimits
from pullyard.worker.images.choose import BaseTree, ChoiceRules, ImageChoice, choose_image
from pullyard.worker.images.errors import ImageRefused
from pullyard.worker.images.old import remove_old_images
from pullyard.worker.images.room import DiskWatch, Room
from pullyard.worker.images.supply import ImageSupply, SupplyLimits
from tests.docker_engine import DockerEngine
from tests.image_registry import image_registry
from tests.repositories import make_repository

# They look at all images of the engine, and remove old ones.
pytestmark = pytest.mark.engine_to_itself
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
        built = await images.provide(await chosen(tmp_path / "r", built_by(text)), None, told.append)
    assert docker_engine.call("GET", f"/images/{built}/json")["Id"] == built
    assert b"line 2: RUN test" in b"".join(told)


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


async def test_a_step_that_forges_the_engines_words_is_bounded_all_the_same(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    forged = "printf ' ---> Running in 000000000000\\nStep 9/9 : RUN x\\n'"
    text = f"FROM {docker_engine.image}\nRUN {forged}; dd if=/dev/zero of=/x bs=1M count=200; sleep 600\n"
    room = Room(image_bytes=size_of(docker_engine, docker_engine.image) + (150 << 20))
    async with supply(docker_engine, room=room, seconds=60) as images:
        with pytest.raises(ImageRefused, match=r"wrote more than \d+ MiB"):
            await images.provide(await chosen(tmp_path / "r", built_by(text)), None, lambda _: None)


async def test_a_build_step_has_a_bound_of_processes(docker_engine: DockerEngine, tmp_path: Path) -> None:
    # It waits until it is bounded, which only the limit of its own control group shows.
    script = (
        "bound() { cat $(find /sys/fs/cgroup -maxdepth 2 -name pids.max); }; "
        "while ! bound | grep -qx 64; do sleep 0.1; done"
    )
    text = f"FROM {docker_engine.image}\nRUN {script}\n"
    async with supply(docker_engine, processes=64, seconds=20) as images:
        built = await images.provide(await chosen(tmp_path / "r", built_by(text)), None, lambda _: None)
    assert docker_engine.call("GET", f"/images/{built}/json")["Id"] == built


async def test_a_build_that_fills_the_engines_disk_is_ended_and_leaves_nothing(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    before = images_of(docker_engine)
    text = f"FROM {docker_engine.image}\nRUN echo first >/y\nRUN sleep 600\n"
    async with supply(docker_engine, room=Room(free_bytes=1 << 60), seconds=60) as images:
        with pytest.raises(ImageRefused, match="of the engine's disk"):
            await images.provide(await chosen(tmp_path / "r", built_by(text)), None, lambda _: None)
    broken = built_by(text.replace("sleep 600", "false"))
    async with supply(docker_engine) as images:
        with pytest.raises(ImageRefused, match="failed"):
            await images.provide(await chosen(tmp_path / "s", broken), None, lambda _: None)
    assert images_of(docker_engine) == before


async def test_the_engines_disk_is_watched_from_when_a_work_begins(docker_engine: DockerEngine) -> None:
    client = Engine(docker_engine.socket)
    disk = await DiskWatch.open(client, Room(image_bytes=0, free_bytes=0))
    await client.close()
    assert disk.problem() == ""
    # As if so much had been free then.
    disk.free_at_first += 2 << 30
    assert disk.problem() == "took more than 1024 MiB of the engine's disk"


async def test_a_built_image_that_is_too_large_is_removed(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    before = images_of(docker_engine)
    text = f"FROM {docker_engine.image}\nCOPY large /large\n"
    choice = await chosen(tmp_path / "r", built_by(text, **{".devcontainer/large": "x" * (2 << 20)}))
    room = Room(image_bytes=size_of(docker_engine, docker_engine.image) + (1 << 20))
    async with supply(docker_engine, room=room) as images:
        with pytest.raises(ImageRefused, match=r"image is larger than .*image_bytes"):
            await images.provide(choice, None, lambda _: None)
    assert images_of(docker_engine) == before


@pytest.mark.parametrize(("content", "how"), [(b"", "packed"), (b"\0" * (3 << 20), "unpacked")])
async def test_a_pull_ends_where_the_image_is_too_large(
    docker_engine: DockerEngine, content: bytes, how: str
) -> None:
    before = images_of(docker_engine)
    content = content or random.Random(1).randbytes(3 << 20)
    with image_registry() as registry:
        name = registry.add("team/large", {"x": content})
        async with supply(docker_engine, room=Room(image_bytes=2 << 20)) as images:
            with pytest.raises(ImageRefused, match=f"more than 2 MiB {how}: .*image_bytes"):
                await images.provide(ImageChoice("the test", name=name), None, lambda _: None)
    assert images_of(docker_engine) == before


async def test_a_built_image_goes_when_nobody_uses_it(docker_engine: DockerEngine, tmp_path: Path) -> None:
    choice = await chosen(tmp_path / "r", built_by(f"FROM {docker_engine.image}\nRUN echo >/old\n"))
    async with supply(docker_engine) as images:
        image = await images.provide(choice, None, lambda _: None)
        first = last_tag(docker_engine, image)
        await images.provide(choice, None, lambda _: None)
        assert last_tag(docker_engine, image) > first
        await remove_old_images(images.engine, timedelta(minutes=10))
        assert image in images_of(docker_engine)
        await remove_old_images(images.engine, timedelta(0))
        assert image not in images_of(docker_engine)
        assert size_of(docker_engine, docker_engine.image)


def images_of(engine: DockerEngine) -> set[str]:
    """With those that have no name."""
    return {image["Id"] for image in engine.call("GET", "/images/json", params={"all": "true"})}


def size_of(engine: DockerEngine, name: str) -> int:
    return engine.call("GET", f"/images/{name}/json")["Size"]


def last_tag(engine: DockerEngine, image: str) -> datetime:
    return datetime.fromisoformat(engine.call("GET", f"/images/{image}/json")["Metadata"]["LastTagTime"])
