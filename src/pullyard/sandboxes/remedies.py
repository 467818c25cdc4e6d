"""What to do where a sandbox can't start, in one sentence a person can act on."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

INSTALL = (
    "Install bubblewrap and util-linux: 'apt-get install bubblewrap util-linux' on Debian and Ubuntu, "
    "'dnf install bubblewrap util-linux' on Fedora and RHEL, "
    "'apk add bubblewrap util-linux' on Alpine."
)
PROGRAMS = ("bwrap", "nsenter")

# The file, the value that forbids, and the setting that allows.
SETTINGS = (
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/user/max_user_namespaces", "0"),
)
ALLOWING = {
    "apparmor_restrict_unprivileged_userns": "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    "unprivileged_userns_clone": "sysctl -w kernel.unprivileged_userns_clone=1",
    "max_user_namespaces": "sysctl -w user.max_user_namespaces=15000",
}


def missing_programs() -> list[str]:
    places = "/usr/sbin:/usr/bin:/sbin:/bin"
    return [program for program in PROGRAMS if shutil.which(program, path=places) is None]


def forbidding_settings() -> list[str]:
    """The commands that would lift what forbids user namespaces here."""
    return [
        ALLOWING[Path(path).name]
        for path, forbids in SETTINGS
        if Path(path).exists() and Path(path).read_text().strip() == forbids
    ]


def explain(said: str) -> str:
    """Why the sandbox didn't start: ``said`` is the system's own message."""
    message = " ".join(said.split())[:500] or "no reason was given"
    missing = missing_programs()
    if missing:
        return f"The sandbox needs {', '.join(missing)}. {INSTALL}"
    settings = forbidding_settings()
    if settings:
        return f"The sandbox can't start ({message}). Allow user namespaces as root: {'; '.join(settings)}."
    if "overlay" in message:
        return f"Overlays can't be mounted here ({message}). Use a full copy: a workspace without a lower."
    if "Operation not permitted" in message or "Permission denied" in message:
        where = "root without CAP_SYS_ADMIN" if os.geteuid() == 0 else "this account"
        return (
            f"The sandbox can't start as {where} ({message}). In a container run it with "
            "'--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined', or run the worker on the host."
        )
    return f"The sandbox can't start: {message}."


CGROUPS = (
    "Memory, processors and processes are bounded by cgroups: run the worker as root, or as a systemd unit "
    "with 'Delegate=yes'; in a container, mount /sys/fs/cgroup writable"
)
DISK = (
    "The files of an execution are counted while it runs, by the program du: install coreutils, and look "
    "whether the machine is so busy that counting comes too late"
)
FILES = "The limits of a process hold it: don't give the worker CAP_SYS_RESOURCE in a container"
BOUNDS = {
    "": f"No limit was tried here. {CGROUPS}.",
    "cpus": f"An execution can take more processors than its limit. {CGROUPS}.",
    "memory_bytes": f"An execution can take more memory than its limit. {CGROUPS}.",
    "processes": f"An execution can make more processes than its limit. {CGROUPS}.",
    "disk_bytes": f"An execution can fill more of the disk than its limit. {DISK}.",
    "inodes": f"An execution can make more files than its limit. {DISK}.",
    "file_size_bytes": f"An execution can write a larger file than its limit. {FILES}.",
    "open_files": f"An execution can open more files than its limit. {FILES}.",
}
ESCAPES = {
    "host-network": "Something of the host's network is inside: start the engine's containers without one.",
    "host-loopback": "The host's loopback is reached from inside: use network namespaces of their own.",
    "user-namespace": "Namespaces can be made inside: use bubblewrap 0.8 or newer, which forbids it, or an "
    "engine whose filter of system calls does, as Docker's own one.",
    "unfiltered-calls": "No system-call filter is on: the kernel needs CONFIG_SECCOMP_FILTER.",
    "write-kernel-settings": "Settings of the kernel can be written inside: don't run the worker privileged.",
}


def mend_escape(name: str) -> str:
    """What to do where this way out was not held; the sandbox is not used until then."""
    known = ESCAPES.get(name, "Tell us with the output of 'pullyard doctor --json', as SECURITY.md says.")
    return f"It does not hold '{name}', so it is not used. {known}"


def mend_untried(programs: Sequence[str]) -> str:
    """What to do where the limits can't be tried for want of these programs."""
    return (
        f"No limit could be tried for want of {', '.join(programs)}: install coreutils, grep and util-linux, "
        "or measure containers with an image that has them (--docker-image, docker_image of the worker)."
    )


def mend_bound(name: str) -> str:
    """What to do where this limit did not hold; an empty name: where none was tried."""
    return BOUNDS.get(name, f"The limit '{name}' does not hold here. {CGROUPS}.")
