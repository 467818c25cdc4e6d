"""Checkouts below working copies: shared, moved when free, never while somebody looks at them."""

from pathlib import Path

import pytest

from tests.repositories import commit_files
from tests.workbench import Workbench, run_inside


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench.make(tmp_path)


async def test_a_checkout_in_use_is_left_alone(bench: Workbench) -> None:
    first, _ = await bench.prepare("one")
    commit_files(bench.repository, {"README.md": "# Changed\n"})
    second, _ = await bench.prepare("two")
    assert first.lower is not None
    assert second.lower is not None
    assert (first.lower / "README.md").read_text() == "# A project\n"
    assert (second.lower / "README.md").read_text() == "# Changed\n"


async def test_a_free_checkout_is_moved(bench: Workbench) -> None:
    first, _ = await bench.prepare("one")
    bench.workspaces.release(bench.directory("one"))
    commit_files(bench.repository, {"new/file": "new\n"})
    second, source = await bench.prepare("two")
    assert second.lower == first.lower
    async with bench.sandbox(second, source.mirror) as sandbox:
        look = "git status -s; cat new/file; touch new/x; git branch --show-current; git log --format=%an"
        assert await run_inside(sandbox, look) == (0, "new\npullyard/1-two\nTest\nTest\n")


async def test_a_checkout_that_was_interrupted_is_made_anew(bench: Workbench) -> None:
    first, _ = await bench.prepare("one")
    bench.workspaces.release(bench.directory("one"))
    assert first.lower is not None
    (first.lower.parent / "commit").unlink()
    (first.lower.parent / "index.lock").touch()
    (first.lower / "README.md").unlink()
    (first.lower / "stray").touch()
    second, _ = await bench.prepare("two")
    assert second.lower is not None
    assert sorted(path.name for path in second.lower.iterdir()) == ["README.md", "data.bin", "run.sh", "src"]
