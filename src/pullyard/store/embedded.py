"""Postgres as a child process, for an installation that is one machine and one directory."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from pullyard.files.locks import holder_of, take
from pullyard.store.account import choose_account
from pullyard.store.cluster import DATABASE, ROLE, admit, last_lines, make_cluster, programs_for, settings_for
from pullyard.store.errors import StoreRefused
from pullyard.store.programs import within_reach
from pullyard.store.strays import end_strays

START_SECONDS = 120
STOP_SECONDS = 40
LOOK_AGAIN_SECONDS = 0.02
LOG_BYTES = 1 << 20
# The system allows 107 bytes for a socket's path, and the longest name in the directory has 21.
SOCKET_DIRECTORY_BYTES = 70


class EmbeddedPostgres:
    """One directory's Postgres. It ends with this process, whatever ends that; it never runs as root.

    ``settings`` go over the usual ones. Both methods block for up to a few seconds; not for several threads.
    """

    def __init__(self, data_directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.directory = data_directory.resolve()
        self.cluster = self.directory / "cluster"
        self.log = self.directory / "server.log"
        self.settings = dict(settings or {})
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.held = ExitStack()

    def start(self) -> str:
        """Makes the database the first time, starts it and returns its address once it answers.

        Refuses with ``StoreRefused`` when the directory is in use, out of reach, or Postgres does not start.
        """
        self.take_directory()
        try:
            return self.launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends Postgres in good order and gives the directory back; may be called twice, or unstarted."""
        if self.supervisor is not None and self.supervisor.stdin is not None:
            self.supervisor.stdin.close()
            try:
                self.supervisor.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
                self.supervisor.wait()
            self.supervisor = None
            # The supervisor itself may have been killed before.
            end_strays(self.cluster)
        self.held.close()

    def take_directory(self) -> None:
        try:
            for place in reversed([self.directory, *self.directory.parents]):
                if not place.exists():
                    place.mkdir()
                    # Others may pass through, as the account of Postgres has to, but not look around.
                    place.chmod(0o711)
            lock = take(self.directory / "lock")
        except OSError as error:
            raise StoreRefused(
                f"The data directory can't be used: {error}. Give another one with --data.",
                code="data-unreachable",
            ) from error
        if lock is None:
            holder = holder_of(self.directory / "lock") or "unknown"
            raise StoreRefused(
                f"Pullyard already runs with the data in {self.directory} (process {holder}): "
                "stop it first, or give another directory with --data.",
                code="data-in-use",
            )
        self.held.callback(lock.release)
        lock.sign()

    def launch(self) -> str:
        account = choose_account()
        account.require_reach(self.directory)
        programs = within_reach(programs_for(self.cluster, account), account, self.directory)
        if not self.cluster.exists():
            make_cluster(self.cluster, account, programs)
        end_strays(self.cluster)
        admit(self.cluster, account.user)
        sockets = self.make_socket_directory()
        account.own(sockets)
        settings = settings_for(programs.major) | {"unix_socket_directories": str(sockets)} | self.settings
        arguments = [programs.path("postgres"), "-D", self.cluster]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        script = self.directory / "supervise.sh"
        script.write_bytes(files("pullyard.store").joinpath("supervise.sh").read_bytes())
        # The account of Postgres reads it.
        script.chmod(0o644)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            begin = log.tell()
            self.supervisor = subprocess.Popen[bytes](
                ["/bin/sh", script, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account.process_options(),
            )
        self.await_ready(self.supervisor, begin)
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(sockets), safe='')}"

    def make_socket_directory(self) -> Path:
        """Beside the data where that is short enough; else in a new directory that ``socket`` points to."""
        place = self.directory / "socket"
        if place.is_symlink():
            # It was left by a run that was killed.
            shutil.rmtree(place.readlink(), ignore_errors=True)
            place.unlink()
        # The lock beside an old socket names a process, and its number may be somebody else's now.
        shutil.rmtree(place, ignore_errors=True)
        if len(os.fsencode(place)) <= SOCKET_DIRECTORY_BYTES:
            place.mkdir(mode=0o700)
            return place
        short = Path(tempfile.mkdtemp(prefix="pullyard-", dir="/tmp"))
        place.symlink_to(short)
        self.held.callback(place.unlink, missing_ok=True)
        self.held.callback(shutil.rmtree, short, ignore_errors=True)
        return short

    def await_ready(self, supervisor: subprocess.Popen[bytes], log_begin: int) -> None:
        for _ in range(int(START_SECONDS / LOOK_AGAIN_SECONDS)):
            try:
                supervisor.wait(LOOK_AGAIN_SECONDS)
            except subprocess.TimeoutExpired:
                if self.is_ready():
                    assert supervisor.stdin is not None
                    supervisor.stdin.write(b"ready\n")
                    supervisor.stdin.flush()
                    return
            else:
                break
        with self.log.open("rb") as log:
            log.seek(log_begin)
            told = log.read(LOG_BYTES).decode(errors="replace")
        raise StoreRefused(
            f"Postgres does not start: {last_lines(told)}. The whole log is in {self.log}.",
            code="database-start",
        )

    def is_ready(self) -> bool:
        """Postgres writes its state into the eighth line of its lock file."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"
