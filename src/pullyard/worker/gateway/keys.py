"""Where a key comes from, each time that it is needed: the settings, a file, or a command of the owner's.

Keys of clouds live for an hour or less, so a file is read again when it has changed, and a command is run
again when what it printed is old or was refused.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import SecretStr

COMMAND_SECONDS = 30.0
FRESH_SECONDS = 300.0
KEY_BYTES = 64 << 10
_ENVIRONMENT = ("PATH", "HOME", "LANG", "CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_PROFILE")

logger = structlog.get_logger(__name__)


@dataclass
class KeySource:
    """Shared by all executions. The first that is set counts; without any there is no key."""

    secret: SecretStr | None = None
    file: Path | None = None
    command: Sequence[str] = ()
    """Arguments, run without a shell; the first line that it prints is the key."""
    fresh_seconds: float = FRESH_SECONDS
    _printed: SecretStr | None = None
    _read: tuple[tuple[int, int], SecretStr] | None = None
    _stale_at: float = 0.0
    _running: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def __bool__(self) -> bool:
        """Whether a key is to be had from here, though it may fail."""
        return bool(self._stated() or self.file or self.command)

    async def key(self) -> str | None:
        """None where there is none now: what went wrong is in the worker's log."""
        if self._stated():
            return self._stated()
        if self.file is not None:
            return self._from_file(self.file)
        return await self._from_command() if self.command else None

    def known(self) -> set[str]:
        """The keys that are held now, for whoever keeps them out of texts."""
        held = [self.secret, self._printed, self._read[1] if self._read else None]
        return {secret.get_secret_value() for secret in held if secret is not None} - {""}

    def refused(self) -> None:
        """The provider did not take it: the next request asks anew."""
        self._read, self._stale_at = None, 0.0

    def _stated(self) -> str | None:
        return (self.secret.get_secret_value().strip() or None) if self.secret is not None else None

    def _from_file(self, file: Path) -> str | None:
        try:
            with file.open("rb") as opened:
                told = os.fstat(opened.fileno())
                mark = (told.st_mtime_ns, told.st_ino)
                if self._read is None or self._read[0] != mark:
                    self._read = (mark, SecretStr(_first_line(opened.read(KEY_BYTES), str(file))))
        except OSError as error:
            logger.warning("gateway.no_key", source=str(file), problem=error.strerror)
            return None
        return self._read[1].get_secret_value() or None

    async def _from_command(self) -> str | None:
        loop = asyncio.get_running_loop()
        async with self._running:
            if self._printed is None or loop.time() >= self._stale_at:
                printed = await _run(self.command)
                self._printed = SecretStr(printed) if printed else None
                self._stale_at = loop.time() + self.fresh_seconds
        return self._printed.get_secret_value() if self._printed is not None else None


def _first_line(printed: bytes, source: str) -> str:
    line = printed.decode("ascii", errors="replace").partition("\n")[0].strip()
    # What is no plain word can't be sent, and an error's text would tell it.
    if line and line.isascii() and line.isprintable() and " " not in line:
        return line
    logger.warning("gateway.no_key", source=source, problem="its first line is not one plain word")
    return ""


async def _run(command: Sequence[str]) -> str:
    """What it printed; nothing where it failed, whose reasons are its own and may hold secrets."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    quiet = asyncio.subprocess.DEVNULL
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb"), os.fdopen(reading, "rb", buffering=0) as printed:
        # The end of it would only come once whatever the command has left running has ended, too.
        os.set_blocking(reading, False)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=quiet, stdout=writing, stderr=quiet, env=environment, start_new_session=True
            )
        except OSError as error:
            logger.warning("gateway.no_key", source=command[0], problem=error.strerror)
            return ""
        if problem := await _problem_of(process):
            logger.warning("gateway.no_key", source=command[0], problem=problem)
            return ""
        return _first_line(printed.read(KEY_BYTES) or b"", command[0])


async def _problem_of(process: asyncio.subprocess.Process) -> str:
    """Empty where it has ended well; of one that is given up nothing of its process group is left."""
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            code = await process.wait()
    except TimeoutError:
        return f"it took over {COMMAND_SECONDS:.0f} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return f"exit code {code}" if code else ""
