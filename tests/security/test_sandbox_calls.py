"""The system-call filter: what it refuses inside a real sandbox, and its program for both machines."""

import json
import platform
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.sandboxes.protocol import Sandbox
from pullyard.sandboxes.seccomp import CHECKED, MACHINES, program
from tests.sandbox_places import run, sandbox_at

ERRNO_OF_EACH = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
calls = json.loads(sys.argv[1])
print(json.dumps({name: libc.syscall(*words) and ctypes.get_errno() for name, words in calls}))
"""
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
NEW_USER, NEW_MOUNTS = 0x10000000, 0x20000


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    made = sandbox_at("bubblewrap", tmp_path)
    await made.provision()
    yield made
    await made.destroy()


async def errors(sandbox: Sandbox, calls: list[tuple[str, list[int]]]) -> dict[str, int]:
    code, printed = await run(sandbox, "/usr/bin/python3", "-c", ERRNO_OF_EACH, json.dumps(calls))
    assert code == 0, printed
    return json.loads(printed)


@pytest.mark.attack("sandbox: ways out", backend="bubblewrap")
async def test_every_named_call_is_refused(sandbox: Sandbox) -> None:
    calls = MACHINES[platform.machine()].calls
    refused = [(name, [number, 0, 0, 0, 0, 0]) for name, number in calls.items() if name not in CHECKED]
    found = await errors(sandbox, refused)
    absent = {name for name, number in found.items() if number == ENOSYS}
    assert set(found.values()) == {EPERM, ENOSYS}
    assert absent == {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"}


@pytest.mark.attack("sandbox: ways out", backend="bubblewrap")
async def test_no_namespace_can_be_made(sandbox: Sandbox) -> None:
    calls = MACHINES[platform.machine()].calls
    flags = {"user": NEW_USER, "mounts": NEW_MOUNTS, "time": 0x80}
    found = await errors(sandbox, [(name, [calls["unshare"], flag]) for name, flag in flags.items()])
    assert set(found.values()) == {EPERM}
    assert await errors(sandbox, [("clone", [calls["clone"], NEW_USER | 17, 0, 0, 0, 0])]) == {"clone": EPERM}


@pytest.mark.attack("sandbox: ways out", backend="bubblewrap")
async def test_only_everyday_sockets_can_be_made(sandbox: Sandbox) -> None:
    socket = MACHINES[platform.machine()].calls["socket"]
    families = {"unix": 1, "ipv4": 2, "ipv6": 10, "packet": 17, "alg": 38, "vsock": 40, "xdp": 44}
    found = await errors(sandbox, [(name, [socket, family, 1, 0]) for name, family in families.items()])
    assert {name for name, error in found.items() if error == EAFNOSUPPORT} == {
        "packet",
        "alg",
        "vsock",
        "xdp",
    }


@pytest.mark.attack("sandbox: ways out", backend="bubblewrap")
async def test_nothing_can_be_typed_into_a_terminal(sandbox: Sandbox) -> None:
    ioctl = MACHINES[platform.machine()].calls["ioctl"]
    found = await errors(sandbox, [("TIOCSTI", [ioctl, 0, 0x5412, 0]), ("TIOCGWINSZ", [ioctl, 0, 0x5413, 0])])
    assert found == {"TIOCSTI": EPERM, "TIOCGWINSZ": 25}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_kills_another_machines_calls(machine: str) -> None:
    lines = list(struct.iter_unpack("<HBBI", program(machine)))
    assert lines[1] == (0x15, 1, 0, MACHINES[machine].architecture)
    assert lines[2] == (0x06, 0, 0, 0x80000000)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_jump_lands_inside_the_program(machine: str) -> None:
    lines = list(struct.iter_unpack("<HBBI", program(machine)))
    assert len(lines) <= 4096, "the kernel takes no longer program"
    for place, (code, if_true, if_false, _) in enumerate(lines):
        if code in (0x15, 0x35, 0x45):
            assert place + 1 + max(if_true, if_false) < len(lines)
    assert lines[-1][0] == 0x06
