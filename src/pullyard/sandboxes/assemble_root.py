"""Run as a program of its own: make a private mount namespace, put a sandbox's root together, hold it.

The plan comes on standard input, its length in the first eight bytes; the namespace is held until that input
ends. It runs without site packages and imports only the smallest modules, so that it starts in milliseconds:
``json``, ``pathlib`` and ``typing`` would take more than all the rest. Mounts are made by system calls: a
dozen runs of ``mount`` would take longer than the sandbox's start.
"""

import ctypes
import marshal
import os

NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
NO_SETUID, NO_DEVICES, BIND, RECURSIVE, PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
LENGTH_BYTES = 8
LIBC = ctypes.CDLL(None, use_errno=True)

# Bubblewrap arms its end with its parent late: a worker killed during a start would leave it running.
# Whatever carries this sandbox's mark in its environment is ended until nothing is found any more.
GUARD = """
while read -r _; do :; done
for round in 1 2 3 4 5; do
    for file in $(grep -l -a -F "PULLYARD_SANDBOX=$1" /proc/[0-9]*/environ 2>/dev/null); do
        number=${file#/proc/}
        kill -KILL "${number%/environ}" 2>/dev/null
    done
    sleep 0.2
done
"""


def call(name: str, about: str, *arguments: bytes | int | ctypes.c_ulong | None) -> None:
    if getattr(LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise SystemExit(f"{name} {about}: {os.strerror(number)}")


def mount(source: str, place: str, kind: str | None, flags: int, options: str = "") -> None:
    about = f"{kind or 'bind'} {source} on {place}"
    encoded = kind.encode() if kind else None
    flags_word = ctypes.c_ulong(flags)
    call("mount", about, os.fsencode(source), os.fsencode(place), encoded, flags_word, options.encode())


def write(place: str, text: str) -> None:
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)


def leave_host(*, as_root: bool) -> None:
    user, group = os.getuid(), os.getgid()
    call("unshare", "namespaces", NEW_MOUNTS if as_root else NEW_MOUNTS | NEW_USER)
    if not as_root:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {user} 1")
        write("/proc/self/gid_map", f"0 {group} 1")
    mount("none", "/", None, RECURSIVE | PRIVATE)


def bind(source: str, place: str) -> None:
    if os.path.isdir(source):
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        # Only made where it is missing: it may be a file of the host, seen through another mount.
        os.close(os.open(place, os.O_RDONLY | os.O_CREAT, 0o644))
    mount(source, place, None, BIND | RECURSIVE)


def overlay(stage: str, layers: dict[str, str], options: str, place: str) -> None:
    """The layers go by plain names: the option string gives commas and colons in a path a meaning."""
    for name, directory in layers.items():
        os.symlink(directory, f"{stage}/{name}")
    named = ",".join(f"{name}dir={stage}/{name}" for name in layers)
    mount("pullyard", place, "overlay", NO_SETUID | NO_DEVICES, f"{named},{options}")


def assemble(plan: dict) -> None:
    stage = plan["stage"]
    mount("pullyard", stage, "tmpfs", NO_SETUID | NO_DEVICES, "mode=0755,size=1m")
    root = f"{stage}/root"
    for place in plan["directories"]:
        os.makedirs(root + place, exist_ok=True)
    for place, target in plan["links"].items():
        os.symlink(target, root + place)
    for place, text in plan["files"].items():
        write(root + place, text)
    if plan["layers"]:
        overlay(stage, plan["layers"], plan["overlay_options"], root + plan["workspace"])
    mount("devpts", f"{root}/dev/pts", "devpts", NO_SETUID, "newinstance,ptmxmode=0666,mode=620")
    for place, source in plan["binds"].items():
        bind(source, root + place)


def read(size: int) -> bytes:
    """So many bytes of standard input, and none after them."""
    content = b""
    while len(content) < size:
        part = os.read(0, size - len(content))
        if not part:
            raise SystemExit("The plan is not whole.")
        content += part
    return content


def main() -> None:
    plan = marshal.loads(read(int.from_bytes(read(LENGTH_BYTES), "big")))
    os.umask(0o022)
    leave_host(as_root=plan["as_root"])
    assemble(plan)
    os.chdir("/")
    os.write(1, b"ready\n")
    # A small program waits for the end of the input; an interpreter would take ten times the memory.
    os.execv("/bin/sh", ["sh", "-c", GUARD, "sh", plan["mark"]])


if __name__ == "__main__":
    main()
