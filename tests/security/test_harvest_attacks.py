"""Everything a hostile agent leaves behind for the git outside: nothing of it may run or get through."""

import asyncio
import os
import struct
import zlib
from hashlib import sha1
from pathlib import Path

import pytest

from pullyard.git.program import Git
from pullyard.sandboxes.protocol import Command, Process
from pullyard.worker.harvest import Source, harvest
from pullyard.worker.harvest_rules import HarvestLimits, HarvestRefused, means_dot_git
from pullyard.worker.mirrors import MIRROR_INSIDE
from tests.repositories import git_in
from tests.workbench import TEXT, Workbench, run_inside


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench.make(tmp_path)


def poisoned(marker: str) -> dict[str, str]:
    """Each way to make a git that trusts this working copy run a program, as a script."""
    run = f"touch {marker}"
    return {
        "fsmonitor": f"git config core.fsmonitor '{run}'",
        "ssh": f"git config core.sshCommand '{run}'; git config remote.origin.url ssh://x/y",
        "filter": f"git config filter.x.clean '{run}; cat'; git config filter.x.smudge '{run}; cat'; "
        f"git config filter.x.process '{run}'; echo '* filter=x' >.gitattributes",
        "textconv": f"git config diff.x.textconv '{run}'; git config diff.x.command '{run}'; "
        "echo '* diff=x' >.gitattributes",
        "external diff": f"git config diff.external '{run}'",
        "merge driver": f"git config merge.x.driver '{run}'; echo '* merge=x' >.gitattributes",
        "include": f"printf '[core]\\n\\tfsmonitor = \"{run}\"\\n' >evil; git config include.path ../evil",
        "gpg": f"git config commit.gpgSign true; git config gpg.program '{run}'",
        "editor": f"git config core.editor '{run}'; git config core.pager '{run}'",
        "alternates": f"git config core.alternateRefsCommand '{run}'; "
        f"git config uploadpack.packObjectsHook '{run}'",
        "hooks": "mkdir -p .git/hooks; for hook in pre-commit post-commit post-checkout "
        "reference-transaction post-index-change pre-push pre-auto-gc fsmonitor-watchman post-update; do "
        f"printf '#!/bin/sh\\n{run}\\n' >.git/hooks/$hook; chmod +x .git/hooks/$hook; done",
        "hooks path": f"mkdir h; printf '#!/bin/sh\\n{run}\\n' >h/post-checkout; chmod +x h/*; "
        "git config core.hooksPath ../h",
        "askpass": f"git config core.askPass '{run}'; git config credential.helper '!{run}'",
    }


@pytest.mark.attack("git: poisoned configuration", "git: hooks", backend="bubblewrap")
@pytest.mark.parametrize("vector", list(poisoned("x")))
async def test_a_poisoned_repository_runs_nothing(bench: Workbench, tmp_path: Path, vector: str) -> None:
    outside, inside = tmp_path / "marker", "/ws/marker-inside"
    script = f"{poisoned(str(outside))[vector]}; {poisoned(inside)[vector]}; echo x >>README.md"
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        await run_inside(sandbox, f"({script}) >/dev/null 2>&1; rm -f {inside}")
        work = await harvest(sandbox, bench.git, source, TEXT)
        assert work is not None
        await bench.verification(source, work.commit)
        _, names = await run_inside(sandbox, "ls /ws")
    assert not outside.exists()
    assert "marker-inside" not in names
    assert "marker" not in git_in(work.repository, "ls-tree", "-r", "--name-only", work.commit)


@pytest.mark.attack(
    "git: nested repositories", "git: names that mean .git", "git: hostile submodules", backend="bubblewrap"
)
@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("git init -q lib/nested; git -C lib/nested commit -q --allow-empty -m x", "lib/nested"),
        ("git init -q nested; echo x >nested/x", "nested"),
        ("git clone -q . copy", "copy"),
        ("mkdir .GIT; echo x >.GIT/config", r"\.GIT"),
        ("mkdir -p a/.Git; echo x >a/.Git/config", r"\.Git"),
        ("mkdir git~1; echo x >git~1/config", "git~1"),
        ("mkdir .git.; echo x >.git./config", r"\.git"),
        (
            "mkdir \"$(printf '.g\\342\\200\\214it')\"; echo x >\"$(printf '.g\\342\\200\\214it/config')\"",
            r"\.g",
        ),
        ("ln -s /etc/passwd .gitmodules", "gitmodules"),
        ("printf '[submodule \"a\"]\\n\\tpath = a\\n\\turl = ext::sh -c id\\n' >.gitmodules", None),
        ("printf '[submodule \"a\"]\\n\\tpath = a\\n\\turl = -u./x\\n' >.gitmodules", "gitmodules"),
        ("printf '[submodule \"../x\"]\\n\\tpath = a\\n\\turl = b\\n' >.gitmodules", "gitmodules"),
        ("echo x >\"$(printf 'evil\\033[31m')\"", "control characters"),
        ("echo x >\"$(printf 'two\\nlines')\"", "control characters"),
    ],
)
async def test_names_and_kinds_that_never_get_through(
    bench: Workbench, script: str, named: str | None
) -> None:
    person = "git config user.name a; git config user.email a; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a "
    person += "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a"
    if named is None:
        work = await bench.work(script)
        assert work is not None
        assert work.protected == (".gitmodules",)
        return
    with pytest.raises(HarvestRefused, match=named):
        await bench.work(f"{person}; {script}")


@pytest.mark.attack("paths: links out of the workspace", backend="bubblewrap")
async def test_links_out_of_the_tree_stay_links(bench: Workbench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret of the worker")
    work = await bench.work(f"rm -r src; ln -s {secret} README; ln -s {tmp_path} src; ln -s ../../.. up")
    assert work is not None
    assert "secret of" not in work.diff
    assert git_in(work.repository, "ls-tree", work.commit, "src").startswith("120000")
    workspace, source = await bench.prepare("two")
    del workspace
    checked = await bench.verification(
        Source(source.mirror, source.base_commit, source.base_index, work.repository), work.commit
    )
    assert (checked.upper / "src").is_symlink()
    assert os.lstat(secret).st_uid == os.geteuid()


@pytest.mark.attack("git: names that mean .git")
@pytest.mark.parametrize(
    "name",
    [
        *(b".git", b".GiT", b".git ", b".git. .", b"git~1", b"GIT~2", b".git::$INDEX_ALLOCATION", b"a\\.git"),
        *(".g\u200cit".encode(), "\ufeff.git".encode(), ".gi\u2060t".encode()),
    ],
)
def test_every_spelling_of_dot_git(name: bytes) -> None:
    assert means_dot_git(name)


@pytest.mark.parametrize("name", [b".gitignore", b"git", b"x.git", b".github", b"git~", b"a.git.b"])
def test_honest_names(name: bytes) -> None:
    assert not means_dot_git(name)


class Liar:
    """A sandbox taken over by its agent: whatever is started prints a pack of the agent's own making."""

    def __init__(self, tree: str, pack: bytes) -> None:
        self.name = "liar"
        self.tree = tree
        self.pack = pack

    def inside(self, relative: str) -> str:
        return f"/ws/{relative}"

    def path_of(self, mounted: str) -> str:
        assert mounted == MIRROR_INSIDE
        return mounted

    async def start(self, command: Command) -> Process:
        assert command.stdout is not None
        assert command.stderr is not None
        os.write(command.stderr, f"pullyard-tree {self.tree} 9\n".encode())
        reader, writer = os.pipe()
        process = await asyncio.create_subprocess_exec("cat", stdin=reader, stdout=command.stdout)
        os.close(reader)
        return LyingProcess(process, asyncio.create_task(asyncio.to_thread(pour, writer, self.pack)))


class LyingProcess:
    listener = None
    exceeded = ""

    def __init__(self, process: asyncio.subprocess.Process, pouring: asyncio.Task[None]) -> None:
        self.process = process
        self.pouring = pouring

    async def wait(self) -> int:
        await self.pouring
        return await self.process.wait()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.pouring


def pour(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        try:
            for at in range(0, len(content), 65536):
                stream.write(content[at : at + 65536])
        except BrokenPipeError:
            return


KINDS = {"commit": 1, "tree": 2, "blob": 3}


def packed(kind: str, size: int, deflated: bytes) -> bytes:
    """One object of a pack: its kind and size, then its content."""
    head, rest = (KINDS[kind] << 4) | (size & 15), size >> 4
    encoded = bytearray()
    while rest:
        encoded.append(head | 0x80)
        head, rest = rest & 0x7F, rest >> 7
    encoded.append(head)
    return bytes(encoded) + deflated


def pack_of(*objects: bytes) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(objects)) + b"".join(objects)
    return body + sha1(body).digest()


def tree_object(entries: list[tuple[str, bytes, str]]) -> tuple[str, bytes]:
    """A tree of (mode, name, id): its own id, and it as part of a pack."""
    content = b"".join(f"{mode} ".encode() + name + b"\0" + bytes.fromhex(ref) for mode, name, ref in entries)
    return sha1(b"tree %d\0" % len(content) + content).hexdigest(), packed(
        "tree", len(content), zlib.compress(content)
    )


def blob_object(content: bytes) -> tuple[str, bytes]:
    return sha1(b"blob %d\0" % len(content) + content).hexdigest(), packed(
        "blob", len(content), zlib.compress(content)
    )


def busy_seconds() -> float:
    """Of this process and its ended children: how busy the machine is with other things does not count."""
    return sum(os.times()[:4])


async def harvest_lie(bench: Workbench, tree: str, pack: bytes) -> None:
    _, source = await bench.prepare()
    await harvest(Liar(tree, pack), Git(), source, TEXT, HarvestLimits(seconds=20))  # type: ignore[arg-type]


@pytest.mark.attack("size: a tree of 10^10 files")
async def test_a_tree_of_ten_to_the_tenth_files(bench: Workbench) -> None:
    inner, blob = blob_object(b"x")
    objects, mode = [blob], "100644"
    for _ in range(10):
        inner, tree = tree_object([(mode, b"%d" % number, inner) for number in range(10)])
        objects.append(tree)
        mode = "40000"
    began = busy_seconds()
    # Whoever counted nothing would walk for days.
    async with asyncio.timeout(60):
        with pytest.raises(HarvestRefused, match="files changed"):
            await harvest_lie(bench, inner, pack_of(*objects))
    assert busy_seconds() - began < 10


@pytest.mark.attack("size: pack bomb")
@pytest.mark.parametrize("kind", ["blob", "tree"])
async def test_two_gigabytes_in_two_megabytes(bench: Workbench, kind: str) -> None:
    size = 2 << 30
    press = zlib.compressobj(9)
    piece = bytes(1 << 20)
    content = b"".join(press.compress(piece) for _ in range(size >> 20)) + press.flush()
    began = busy_seconds()
    with pytest.raises(HarvestRefused, match="far larger"):
        await harvest_lie(bench, "1" * 40, pack_of(packed(kind, size, content)))
    assert busy_seconds() - began < 10


@pytest.mark.attack("paths: .., %2e, NUL, absolute", "git: names that mean .git")
@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("100644", b".."),
        ("40000", b".git"),
        ("100644", b"a/b"),
        ("100644", b""),
        ("160000", b"module"),
        ("100644", b".git"),
        ("120000", b".gitmodules"),
        ("20666", b"device"),
    ],
)
async def test_trees_that_no_honest_git_writes(bench: Workbench, mode: str, name: bytes) -> None:
    blob, packed_blob = blob_object(b"x")
    below, packed_below = tree_object([("100644", b"x", blob)])
    tree, packed_tree = tree_object([(mode, name, below if mode == "40000" else blob)])
    with pytest.raises(HarvestRefused):
        await harvest_lie(bench, tree, pack_of(packed_blob, packed_below, packed_tree))


@pytest.mark.parametrize("pack", [b"", b"PACK", b"not a pack at all", os.urandom(5000)])
async def test_what_is_no_pack(bench: Workbench, pack: bytes) -> None:
    with pytest.raises(HarvestRefused):
        await harvest_lie(bench, "1" * 40, pack)


async def test_a_tree_that_is_not_there(bench: Workbench) -> None:
    with pytest.raises(HarvestRefused):
        await harvest_lie(bench, "1" * 40, pack_of(blob_object(b"x")[1]))


@pytest.mark.attack("size: pack bomb")
async def test_many_files_that_unpack_to_much(bench: Workbench) -> None:
    size = 100 << 20
    bomb = packed("blob", size, zlib.compress(bytes(size), 9))
    began = busy_seconds()
    with pytest.raises(HarvestRefused):
        await harvest_lie(bench, "1" * 40, pack_of(*[bomb] * 200))
    assert busy_seconds() - began < 10


async def test_a_tree_id_that_is_an_option(bench: Workbench) -> None:
    with pytest.raises(HarvestRefused):
        await harvest_lie(bench, "--output=/tmp/x", pack_of(blob_object(b"x")[1]))
