"""What a program sees inside a bubblewrap sandbox, as bubblewrap's arguments."""

import os
from pathlib import Path

from pullyard.sandboxes.mount_namespace import ETC_FILES
from pullyard.sandboxes.protocol import WORKSPACE, Command, SandboxSpec

PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM_DIRECTORIES = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")

# Public facts about the system that compilers, interpreters and TLS libraries look up.
HOST_ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)


def isolation() -> list[str]:
    """Own namespaces of every kind, no capability, no way to make further user namespaces."""
    return [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"),
    ]


def system_view(stage: str) -> list[str]:
    """The host's programs, read-only, and a made-up ``/etc``."""
    view = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM_DIRECTORIES:
        place = Path("/", name)
        if place.is_symlink():
            view += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            view += ["--ro-bind", str(place), str(place)]
    for name in ETC_FILES:
        view += ["--ro-bind", f"{stage}/etc/{name}", f"/etc/{name}"]
    for name in HOST_ETC:
        if Path("/etc", name).exists():
            view += ["--ro-bind", f"/etc/{name}", f"/etc/{name}"]
    return view


def writable_view(spec: SandboxSpec, stage: str) -> list[str]:
    """Sized memory for temporary files, the workspace and the extra mounts; everything else read-only."""
    shared, temporary = str(spec.limits.shared_memory_bytes), str(spec.limits.temporary_bytes)
    view = [
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", shared, "--tmpfs", "/dev/shm"),
        *("--perms", "1777", "--size", temporary, "--tmpfs", "/tmp"),
        *("--symlink", "../tmp", "/var/tmp"),
        *("--bind", f"{stage}/ws", WORKSPACE),
    ]
    for number, mount in enumerate(spec.mounts):
        view += ["--bind" if mount.writable else "--ro-bind", f"{stage}/{number}", mount.inside]
    return [*view, "--remount-ro", "/dev", "--remount-ro", "/"]


def environment(command: Command) -> list[str]:
    variables = {"PATH": PATH, "HOME": "/tmp", "LANG": "C.UTF-8", **command.environment}
    setting = ["--clearenv"]
    for name, value in variables.items():
        setting += ["--setenv", name, value]
    return [*setting, "--chdir", command.directory or WORKSPACE]
