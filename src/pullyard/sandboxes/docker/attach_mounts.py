"""Run as a program of its own: bring mounts into the mount namespace of a container that runs already.

The plan comes on standard input, its length in the first eight bytes; ``ready`` or what went wrong goes to
standard output. Mounts are made before the namespace is entered, so every source is a path of the host, and
every place is looked up inside, where a link of the image's leads nowhere but into the image. It runs
without site packages and imports only the smallest modules, so that it starts in milliseconds.

The calls are open_tree(2), move_mount(2), fsopen(2) and mount_setattr(2), of Linux 5.12 and newer.
"""

import ctypes
import marshal
import os

OPEN_TREE, MOVE_MOUNT, FS_OPEN, FS_CONFIG, FS_MOUNT, MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
"""The same on every architecture."""
HERE, EMPTY_PATH, RECURSIVE = -100, 0x1000, 0x8000
CLONE, CLOSE_ON_EXEC = 1, 0o2000000
MOVE_FROM_EMPTY_PATH = 0x4
SET_STRING, CREATE = 1, 6
READ_ONLY, NO_SETUID, NO_DEVICES = 0x1, 0x2, 0x4
PRIVATE = 1 << 18
NEW_MOUNTS = 0x00020000
DETACH, NO_FOLLOW = 0x2, 0x8
LENGTH_BYTES = 8
LIBC = ctypes.CDLL(None, use_errno=True)


def system_call(about: str, number: int, *arguments: int | bytes | ctypes.Array) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    found = LIBC.syscall(ctypes.c_long(number), *words)
    if found < 0:
        raise SystemExit(f"{about}: {os.strerror(ctypes.get_errno())}")
    return found


def enter(process: int) -> None:
    """The mount namespace of a process, by its descriptor; from then on / is that process's."""
    if LIBC.setns(process, NEW_MOUNTS) != 0:
        raise SystemExit(f"entering the container's mounts: {os.strerror(ctypes.get_errno())}")


def set_attributes(about: str, place: tuple[int, bytes], flags: int, on: int, off: int = 0) -> None:
    propagation = PRIVATE if flags & EMPTY_PATH else 0
    attributes = (ctypes.c_uint64 * 4)(on, off, propagation, 0)
    system_call(about, MOUNT_SETATTR, *place, flags, attributes, ctypes.sizeof(attributes))


def clone(source: str, *, writable: bool) -> int:
    """A mount of its own of what is at ``source``, as yet nowhere."""
    flags = CLONE | CLOSE_ON_EXEC | RECURSIVE
    tree = system_call(f"taking {source}", OPEN_TREE, HERE, os.fsencode(source), flags)
    on = NO_SETUID | NO_DEVICES | (0 if writable else READ_ONLY)
    set_attributes(f"closing {source}", (tree, b""), EMPTY_PATH | RECURSIVE, on)
    return tree


def overlay(options: list[tuple[str, str]]) -> int:
    made = system_call("an overlay", FS_OPEN, b"overlay", 1)
    for name, value in options:
        system_call(
            f"the overlay's {name}", FS_CONFIG, made, SET_STRING, name.encode(), os.fsencode(value), 0
        )
    system_call("mounting the overlay", FS_CONFIG, made, CREATE, 0, 0, 0)
    return system_call("mounting the overlay", FS_MOUNT, made, 1, NO_SETUID | NO_DEVICES)


def make_place(place: str, *, directory: bool) -> None:
    if directory:
        os.makedirs(place, exist_ok=True)
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    # What an image has there is hidden and never opened: it may be a pipe, or a device of the machine.
    if not os.path.lexists(place):
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))


def attach(plan: dict) -> None:
    trees = []
    if plan["layers"]:
        trees.append((plan["workspace"], overlay(plan["layers"]), True))
    for source, place, writable in plan["mounts"]:
        trees.append((place, clone(source, writable=writable), os.path.isdir(source)))
    if plan["shared"] is not None:
        enter(plan["shared"])
        trees.insert(0, (plan["workspace"], clone(plan["workspace"], writable=True), True))
    enter(plan["process"])
    # Nothing of the agent's runs in it yet.
    set_attributes("opening the image", (HERE, b"/"), 0, 0, READ_ONLY)
    for place, tree, directory in trees:
        make_place(place, directory=directory)
        about = f"showing {place}"
        system_call(about, MOVE_MOUNT, tree, b"", HERE, os.fsencode(place), MOVE_FROM_EMPTY_PATH)
    set_attributes("closing the image", (HERE, b"/"), 0, READ_ONLY)


def detach(plan: dict) -> None:
    enter(plan["process"])
    for place in plan["places"]:
        if LIBC.umount2(os.fsencode(place), DETACH | NO_FOLLOW) != 0:
            raise SystemExit(f"taking {place} away: {os.strerror(ctypes.get_errno())}")


def read(size: int) -> bytes:
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
    answer = "it met a bug\n"
    try:
        (detach if "places" in plan else attach)(plan)
        answer = "ready\n"
    except (OSError, SystemExit) as error:
        answer = f"{error}\n"
    finally:
        os.write(1, answer.encode(errors="replace"))
        # Nothing more is looked up, not for a traceback either: the files are the image's by now.
        os._exit(0)


if __name__ == "__main__":
    main()
