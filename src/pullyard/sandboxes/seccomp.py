"""The system-call filter of a sandbox, as a classic BPF program the kernel loads.

A filter that lets through what it does not name keeps compilers, browsers and debuggers working; the calls
it names are those that reach kernel code no build needs. The instruction format is that of
``struct sock_filter`` and the data that of ``struct seccomp_data`` in Linux's ``linux/seccomp.h``.
"""

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

LOAD, JUMP_EQUAL, JUMP_NOT_BELOW, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
"""Offsets in the filter's data; the low halves of the arguments, as both machines are little-endian."""
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000

X32_BIT = 0x40000000
NAMESPACES = 0x7E020000
"""Every CLONE_NEW flag that ``clone`` and ``unshare`` share: mount, cgroup, UTS, IPC, user, PID, network."""
TIME_NAMESPACE = 0x80
"""Only ``unshare`` knows it: in ``clone`` these bits are the signal's number."""
TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX type into the terminal of whoever started the sandbox."""
FAMILIES = (1, 2, 10, 16)
"""UNIX, IPv4, IPv6 and NETLINK sockets. VSOCK, PACKET, ALG and some forty others are refused."""


@dataclass(frozen=True)
class Machine:
    architecture: int
    calls: Mapping[str, int]


SHARED_CALLS = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "open_tree_attr": 467,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "clone3": 435,
}
"""Calls added since 2019 have one number on every machine."""

# fmt: off
MACHINES = {
    "x86_64": Machine(0xC000003E, SHARED_CALLS | {
        "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321, "perf_event_open": 298,
        "userfaultfd": 323, "mount": 165, "umount2": 166, "pivot_root": 155, "setns": 308, "kexec_load": 246,
        "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "delete_module": 176,
        "open_by_handle_at": 304, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "syslog": 103,
        "settimeofday": 164, "clock_settime": 227, "quotactl": 179, "vhangup": 153, "modify_ldt": 154,
        "iopl": 172, "ioperm": 173, "uselib": 134, "fanotify_init": 300,
        "clone": 56, "unshare": 272, "ioctl": 16, "socket": 41, "socketpair": 53,
    }),
    "aarch64": Machine(0xC00000B7, SHARED_CALLS | {
        "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280, "perf_event_open": 241,
        "userfaultfd": 282, "mount": 40, "umount2": 39, "pivot_root": 41, "setns": 268, "kexec_load": 104,
        "kexec_file_load": 294, "init_module": 105, "finit_module": 273, "delete_module": 106,
        "open_by_handle_at": 265, "reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89, "syslog": 116,
        "settimeofday": 170, "clock_settime": 112, "quotactl": 60, "vhangup": 58, "fanotify_init": 262,
        "clone": 220, "unshare": 97, "ioctl": 29, "socket": 198, "socketpair": 199,
    }),
}
# fmt: on

CHECKED = ("clone", "unshare", "ioctl", "socket", "socketpair")
"""Calls judged by an argument; every other named call is refused outright."""

# A call that "does not exist" makes programs fall back: C libraries to clone, event loops to epoll.
ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def refuse(error: int) -> bytes:
    return instruction(RETURN, FAIL | error)


def when_call(number: int, block: Sequence[bytes]) -> list[bytes]:
    """Run ``block`` for this call; it must end in a return on every way."""
    return [instruction(JUMP_EQUAL, number, 0, len(block)), *block]


def judged_by_bits(offset: int, bits: int) -> list[bytes]:
    return [
        instruction(LOAD, offset),
        instruction(JUMP_ANY_BIT, bits, 0, 1),
        refuse(errno.EPERM),
        instruction(RETURN, ALLOW),
    ]


def judged_by_value(offset: int, values: Sequence[int], listed: bytes, otherwise: bytes) -> list[bytes]:
    """``listed`` where the argument is one of ``values``, ``otherwise`` where it is none of them."""
    compare = [instruction(JUMP_EQUAL, value, len(values) - place) for place, value in enumerate(values)]
    return [instruction(LOAD, offset), *compare, otherwise, listed]


@cache
def program(machine_name: str | None = None) -> bytes:
    """The filter for this machine, ready for the kernel. Raises KeyError where none is written."""
    machine = MACHINES[machine_name or platform.machine()]
    calls = machine.calls
    allow, kill = instruction(RETURN, ALLOW), instruction(RETURN, KILL)
    lines = [
        instruction(LOAD, ARCHITECTURE),
        instruction(JUMP_EQUAL, machine.architecture, 1, 0),
        kill,
        instruction(LOAD, NUMBER),
        instruction(JUMP_NOT_BELOW, X32_BIT, 0, 1),
        kill,
    ]
    for name, number in calls.items():
        if name not in CHECKED:
            lines += when_call(number, [refuse(errno.ENOSYS if name in ABSENT else errno.EPERM)])
    families = judged_by_value(FIRST_ARGUMENT, FAMILIES, allow, refuse(errno.EAFNOSUPPORT))
    lines += when_call(calls["clone"], judged_by_bits(FIRST_ARGUMENT, NAMESPACES))
    lines += when_call(calls["unshare"], judged_by_bits(FIRST_ARGUMENT, NAMESPACES | TIME_NAMESPACE))
    lines += when_call(
        calls["ioctl"], judged_by_value(SECOND_ARGUMENT, TERMINAL_INPUT, refuse(errno.EPERM), allow)
    )
    lines += when_call(calls["socket"], families)
    lines += when_call(calls["socketpair"], families)
    return b"".join([*lines, allow])
