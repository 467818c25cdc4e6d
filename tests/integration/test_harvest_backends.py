"""The same work is the same commit, whichever sandbox it was made in: it comes out by a stream."""

from pathlib import Path

import pytest

from pullyard.worker.harvest import Harvested, explain, harvest
from pullyard.worker.harvest_rules import HarvestLimits, HarvestRefused
from tests.repositories import git_in
from tests.sandbox_places import make_ready
from tests.workbench import TEXT, Workbench, run_inside

# What is larger than any pipe, hidden from git, unreadable, executable, linked, ignored and filtered.
WORK = (
    "sed -i 's/a - b/a + b/' src/app.py; git update-index --assume-unchanged src/app.py; rm README.md; "
    "seq 300000 >numbers; chmod +x src/deep/er/x.txt; ln -s run.sh link; printf '\\000\\001' >data.bin; "
    "echo cache/ >.gitignore; mkdir cache; echo x >cache/x; echo '*.txt filter=x' >.gitattributes; "
    "mkfifo pipe; git config filter.x.clean 'echo filtered'; mkdir shut; echo x >shut/x; chmod 000 shut"
)
CHANGED = {
    *(".gitattributes", ".gitignore", "README.md", "data.bin", "link", "numbers", "shut/x", "src/app.py"),
    "src/deep/er/x.txt",
}


def bench_in(backend: str, place: Path, request: pytest.FixtureRequest) -> Workbench:
    place.mkdir(exist_ok=True)
    make_ready(backend, place, request)
    return Workbench.make(place, overlay=backend != "unsafe-directory", backend=backend)


async def work_in(bench: Workbench) -> Harvested:
    work = await bench.work(WORK)
    assert work is not None
    return work


@pytest.mark.parametrize("backend", ["docker", "unsafe-directory"])
async def test_the_same_work_is_the_same_commit_everywhere(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    usual = await work_in(bench_in("bubblewrap", tmp_path / "usual", request))
    other = await work_in(bench_in(backend, tmp_path / "other", request))
    assert {file.path for file in usual.diffstat.files} == CHANGED
    assert (other.tree, other.diffstat, other.diff) == (usual.tree, usual.diffstat, usual.diff)
    assert other.protected == usual.protected == (".gitattributes",)
    assert git_in(other.repository, "show", f"{other.commit}:numbers").endswith("300000")


@pytest.mark.parametrize(
    "said", ["harvest: 17: git: not found\n", "sh: git: not found", "sh: line 17: git: command not found"]
)
def test_an_image_without_git_is_told(said: str) -> None:
    """As dash, BusyBox and bash say it."""
    assert "an image that has it" in explain(said)


@pytest.mark.parametrize(
    ("script", "limits", "said"),
    [
        ("seq 9999 | tr '\\n' x >.gitattributes", HarvestLimits(), "more than 2048 bytes"),
        ("head -c 3000000 /dev/urandom >x", HarvestLimits(pack_bytes=1 << 20), "larger than 1 MiB packed"),
        ("head -c 3000000 /dev/zero >x", HarvestLimits(file_bytes=2 << 20), "'x' is larger than 2 MiB"),
        ("for i in 1 2 3 4; do echo $i >n$i; done", HarvestLimits(files=3), "More than 3 files"),
        ("mkdir -p a/b/c/d; echo x >a/b/c/d/e", HarvestLimits(depth=3), "too long or too deep"),
        ("git init -q inner; git -C inner commit -q --allow-empty -m x", HarvestLimits(), "of its own"),
    ],
    ids=["attributes", "pack", "file", "count", "depth", "repository"],
)
async def test_too_much_is_refused_out_of_a_container(
    script: str, limits: HarvestLimits, said: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bench = bench_in("docker", tmp_path, request)
    with pytest.raises(HarvestRefused, match=said):
        await bench.work(
            f"export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a GIT_AUTHOR_NAME=a "
            f"GIT_AUTHOR_EMAIL=a; {script}",
            limits,
        )


async def test_attributes_are_honoured_and_run_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bench = bench_in("bubblewrap", tmp_path, request)
    workspace, source = await bench.prepare()
    attributes = (
        "README.md working-tree-encoding=NONSENSE\\nsrc/app.py filter=lfs diff=lfs merge=lfs -text\\n"
        "*.bat eol=crlf\\n*.id ident\\n*.u16 working-tree-encoding=UTF-16LE\\n[attr]x filter=y\\nrun.sh x\\n"
    )
    script = (
        f"printf '{attributes}' >.gitattributes; printf 'a\\r\\nb\\r\\n' >a.bat; echo '$Id$' >a.id; "
        "printf 'h\\0i\\0' >a.u16"
    )
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, script)
        work = await harvest(sandbox, bench.git, source, TEXT)
    assert work is not None
    assert git_in(work.repository, "show", f"{work.commit}:a.u16") == "hi"
    checked = await bench.verification(source, work.commit)
    async with bench.sandbox(checked, source.mirror) as sandbox:
        code, said = await run_inside(sandbox, "od -An -c a.bat; od -An -c a.u16; cat README.md src/app.py")
    assert code == 0
    assert said.split("\n")[:3] == ["   a  \\r  \\n   b  \\r  \\n", "   h  \\0   i  \\0", "# A project"]
    assert "return a - b" in said
