"""The agent's work becomes one commit on the base, whatever the agent did with git itself."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pullyard.lifecycle.reasons import Reason
from pullyard.sandboxes.protocol import Limits, SandboxUnavailable
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.harvest import harvest
from pullyard.worker.harvest_rules import HarvestLimits, HarvestRefused
from pullyard.worker.salvage import keep, list_salvage, salvage
from pullyard.worker.workspaces import Start
from tests.repositories import git_in
from tests.workbench import SLOT_UID, TEXT, Workbench, run_inside

FIX = "sed -i 's/a - b/a + b/' src/app.py"


@pytest.fixture(params=["overlay", "copy"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Workbench:
    return Workbench.make(tmp_path, overlay=request.param == "overlay")


async def test_a_change_becomes_one_commit_on_the_base(bench: Workbench) -> None:
    work = await bench.work(f"{FIX}; echo new >new.txt; rm README.md; chmod +x src/deep/er/x.txt")
    assert work is not None
    base = git_in(bench.repository, "rev-parse", "HEAD")
    assert git_in(work.repository, "rev-parse", f"{work.commit}^") == base
    assert git_in(work.repository, "log", "-1", "--format=%B", work.commit) == "Fix add\n\nIt subtracted."
    assert {(file.path, file.status, file.additions, file.deletions) for file in work.diffstat.files} == {
        ("README.md", "deleted", 0, 1),
        ("new.txt", "added", 1, 0),
        ("src/app.py", "modified", 1, 1),
        ("src/deep/er/x.txt", "modified", 0, 0),
    }
    assert "+    return a + b" in work.diff
    assert not work.diff_truncated


async def test_the_same_work_is_the_same_commit(bench: Workbench) -> None:
    first, second = await bench.work(FIX), await bench.work(FIX)
    assert first is not None
    assert second is not None
    assert first.commit == second.commit


@pytest.mark.parametrize("script", ["true", "cp README.md x; mv x README.md", "echo a >t; rm t"])
async def test_no_change_is_none(bench: Workbench, script: str) -> None:
    assert await bench.work(script) is None


@pytest.mark.parametrize(
    "script",
    [
        f"{FIX}; git commit -qam own",
        f"{FIX}; git commit -qam one; git commit -q --allow-empty -m two; git checkout -q --detach",
        f"git checkout -q --orphan other; git rm -qrf --cached .; {FIX}",
        f"{FIX}; rm -rf .git",
        f"{FIX}; rm -rf .git; echo 'gitdir: /nowhere' >.git",
        f"{FIX}; rm -rf .git; git init -q .",
        f"{FIX}; echo broken >.git/HEAD; echo broken >.git/index; echo '*' >.git/info/exclude",
        f"{FIX}; git update-index --assume-unchanged src/app.py",
    ],
)
async def test_what_becomes_of_git_inside_makes_no_difference(bench: Workbench, script: str) -> None:
    work = await bench.work(script)
    assert work is not None
    assert [(file.path, file.status) for file in work.diffstat.files] == [("src/app.py", "modified")]


async def test_a_limit_that_ends_the_harvest_is_named(tmp_path: Path) -> None:
    bench = Workbench.make(tmp_path)
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, "head -c 120000000 /dev/urandom >big")
    small = type(sandbox)(replace(sandbox.spec, limits=Limits(disk_bytes=16 << 20)))
    try:
        await small.provision()
        with pytest.raises(PhaseFailed, match="16 MiB of disk") as raised:
            await harvest(small, bench.git, source, TEXT)
    finally:
        await small.destroy()
    assert raised.value.reason is Reason.LIMIT_REACHED


async def test_every_file_deleted(bench: Workbench) -> None:
    work = await bench.work("rm -rf -- * .git")
    assert work is not None
    assert {file.status for file in work.diffstat.files} == {"deleted"}
    assert git_in(work.repository, "ls-tree", "-r", work.commit) == ""


async def test_a_file_moved_over_another_of_the_same_size_and_age(bench: Workbench) -> None:
    (bench.repository / "one.txt").write_text("1\n")
    (bench.repository / "two.txt").write_text("2\n")
    git_in(bench.repository, "add", "-A")
    git_in(bench.repository, "commit", "-qm", "Two files")
    work = await bench.work("mv one.txt two.txt")
    assert work is not None
    assert git_in(work.repository, "show", f"{work.commit}:two.txt") == "1"


async def test_unreadable_files_pipes_and_sockets(bench: Workbench) -> None:
    work = await bench.work(
        "echo secret >kept; chmod 000 kept; mkdir shut; echo x >shut/x; chmod 000 shut src/deep; "
        "mkfifo pipe; rm run.sh; mkfifo run.sh"
    )
    assert work is not None
    assert [(file.path, file.status) for file in work.diffstat.files] == [
        ("kept", "added"),
        ("run.sh", "deleted"),
        ("shut/x", "added"),
    ]


async def test_binary_and_strange_names(bench: Workbench) -> None:
    work = await bench.work(
        "printf '\\000\\001' >data.bin; echo ü >'sp ace ünï.txt'; echo d >-dash; rm run.sh"
    )
    assert work is not None
    counts = {file.path: file.additions for file in work.diffstat.files}
    assert counts == {"data.bin": None, "sp ace ünï.txt": 1, "-dash": 1, "run.sh": 0}
    assert "Binary files" in work.diff


async def test_a_renamed_file(bench: Workbench) -> None:
    work = await bench.work("mv src/deep/er/x.txt moved.txt")
    assert work is not None
    assert [(file.path, file.status) for file in work.diffstat.files] == [("moved.txt", "renamed")]


async def test_a_long_diff_is_cut_at_a_line_end(bench: Workbench) -> None:
    work = await bench.work("seq 10000 >numbers", HarvestLimits(diff_bytes=1000))
    assert work is not None
    assert work.diff_truncated
    assert work.diff.endswith("\n")
    assert len(work.diff) <= 1000


async def test_ignored_files_stay_behind(bench: Workbench) -> None:
    work = await bench.work("mkdir cache; echo x >cache/x; echo cache/ >.gitignore")
    assert work is not None
    assert [file.path for file in work.diffstat.files] == [".gitignore"]


async def test_the_verified_checkout_is_the_commit_and_nothing_else(bench: Workbench) -> None:
    workspace, source = await bench.prepare()
    script = f"{FIX}; echo n >new.txt; rm -r src/deep; rm README.md; mkdir README.md; echo d >README.md/d"
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, f"{script}; echo '*.log' >.gitignore; echo left >behind.log")
        work = await harvest(sandbox, bench.git, source, TEXT)
    assert work is not None
    checked = await bench.verification(source, work.commit)
    async with bench.sandbox(checked, source.mirror) as sandbox:
        look = "git status --porcelain; git rev-parse HEAD; cat README.md/d; ls src; ls *.log; touch src/w"
        code, output = await run_inside(sandbox, look)
    assert (code, output) == (
        0,
        f"{work.commit}\nd\napp.py\nls: cannot access '*.log': No such file or directory\n",
    )


async def test_salvage_is_kept_and_gone_on_from(bench: Workbench) -> None:
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, f"{FIX}; echo half >half.txt; rm README.md")
        reference = await salvage(sandbox, bench.git, source, "exec_1", TEXT)
    assert reference == "refs/pullyard/salvage/exec_1"
    commit = (await list_salvage(bench.git, source.mirror))["exec_1"]
    assert await bench.mirrors.find(source.mirror, reference) == commit
    work = await bench.work("git status --porcelain >seen; mv half.txt whole.txt", resume=commit)
    assert work is not None
    assert git_in(work.repository, "show", f"{work.commit}:seen") == (
        "D README.md\n M src/app.py\n?? half.txt\n?? seen"
    )


async def test_salvage_outlives_refresh_and_collection(bench: Workbench) -> None:
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, FIX)
        work = await harvest(sandbox, bench.git, source, TEXT)
    assert work is not None
    await keep(bench.git, source, "exec_2", work.commit)
    bench.workspaces.release(bench.directory("one"))
    bench.mirrors.quota_bytes = 0
    git_in(bench.repository, "commit", "-q", "--allow-empty", "-m", "more")
    mirror = await bench.mirrors.refresh(str(bench.repository))
    await bench.mirrors.collect()
    assert await list_salvage(bench.git, mirror) == {"exec_2": work.commit}


async def test_a_working_copy_is_found_again_after_a_restart(bench: Workbench) -> None:
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, f"{FIX}; rm README.md")
    bench.workspaces.release(bench.directory("one"))
    again = await bench.workspaces.reopen(
        source.mirror, Start(source.base_commit, "main", "work"), bench.directory("one"), SLOT_UID
    )
    async with bench.sandbox(again, source.mirror) as sandbox:
        work = await harvest(sandbox, bench.git, source, TEXT)
    assert work is not None
    assert [file.path for file in work.diffstat.files] == ["README.md", "src/app.py"]


async def test_without_a_sandbox_nothing_is_read(bench: Workbench) -> None:
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        pass
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxUnavailable):
        await salvage(sandbox, bench.git, source, "exec_3", TEXT)
    assert len(os.listdir("/proc/self/fd")) == open_before


@pytest.mark.parametrize(
    ("script", "limits", "message"),
    [
        ("seq 1 30 | while read n; do echo $n >f$n; done", HarvestLimits(files=20), "More than 20 files"),
        ("head -c 3000000 /dev/zero >big", HarvestLimits(file_bytes=1 << 20), "'big' is larger than 1 MiB"),
        (
            "for n in 1 2 3; do head -c 900000 /dev/zero >$n; done",
            HarvestLimits(total_bytes=1 << 20),
            "in all",
        ),
        ("head -c 3000000 /dev/urandom >big", HarvestLimits(pack_bytes=1 << 20), "1 MiB packed"),
        ("mkdir -p a/b/c/d/e; echo >a/b/c/d/e/f", HarvestLimits(depth=4), "too deep"),
    ],
)
async def test_too_much(bench: Workbench, script: str, limits: HarvestLimits, message: str) -> None:
    with pytest.raises(HarvestRefused, match=message):
        await bench.work(script, limits)
