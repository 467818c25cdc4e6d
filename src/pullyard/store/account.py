"""The account that the embedded Postgres runs under: never root."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullyard.store.errors import StoreRefused

UNPRIVILEGED = ("postgres", "nobody")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
PROGRAM_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Account:
    """``user`` is the name of whoever started Pullyard: only that user may connect."""

    name: str
    uid: int
    gid: int
    user: str

    def process_options(self) -> dict[str, Any]:
        """What ``subprocess`` needs to become this account."""
        options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/", "umask": 0o077}
        if os.geteuid() != self.uid:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def run(self, arguments: Sequence[str | Path], *, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a program as this account to its end; ``stdout`` holds what it printed on both channels."""
        try:
            return subprocess.run(
                arguments,
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=PROGRAM_TIMEOUT_SECONDS,
                check=False,
                **self.process_options(),
            )
        except subprocess.TimeoutExpired as error:
            raise StoreRefused(
                f"{arguments[0]} did not end within {PROGRAM_TIMEOUT_SECONDS} seconds: look at the disk.",
                code="database-start",
            ) from error
        except OSError as error:
            # The program may be unreachable for the account; its absence is the answer.
            return subprocess.CompletedProcess(list(arguments), 127, stdout=str(error))

    def require_reach(self, directory: Path) -> None:
        """Refuses a directory that this account can't enter, naming the door that is closed."""
        for place in reversed([directory, *directory.parents]):
            if self.run(["test", "-x", place]).returncode:
                raise StoreRefused(
                    f"Postgres runs as the account '{self.name}', which can't enter {place}: "
                    f"keep the data elsewhere (--data /var/lib/pullyard), or run: chmod o+x {place}",
                    code="data-unreachable",
                )

    def own(self, directory: Path) -> None:
        if os.geteuid() != self.uid:
            os.chown(directory, self.uid, self.gid)


def choose_account() -> Account:
    """The user's own account, and for root an unprivileged one that every system has."""
    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StoreRefused(
            f"User number {os.geteuid()} has no name in /etc/passwd, and Postgres does not run without: "
            "add one, or set PULLYARD_DATABASE_URL to a Postgres elsewhere.",
            code="no-account",
        ) from None
    if user.pw_uid:
        return Account(user.pw_name, user.pw_uid, user.pw_gid, user.pw_name)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known and known[name].pw_uid:
            return Account(name, known[name].pw_uid, known[name].pw_gid, user.pw_name)
    raise StoreRefused(
        "Postgres never runs as root, and there is no account 'postgres' or 'nobody': "
        "run: useradd --system postgres",
        code="no-account",
    )
