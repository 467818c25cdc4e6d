"""What to do where a sandbox can't start, in one sentence a person can act on."""

import os
import shutil
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
