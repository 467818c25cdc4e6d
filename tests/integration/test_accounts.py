"""Workers of one machine run their tasks as accounts of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pullyard.protocol.errors import RequestError
from pullyard.worker.accounts import REMEMBERED, SPAN, TRIED_RANGES, own_accounts
from pullyard.worker.settings import WorkerSettings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives slots accounts of their own")

HOLD = """
import sys
from pathlib import Path
from pullyard.worker.accounts import own_accounts
from pullyard.worker.settings import WorkerSettings
given = {"first_uid": int(sys.argv[2])} if len(sys.argv) > 2 else {}
with own_accounts(WorkerSettings(data_directory=Path(sys.argv[1]), **given)) as settings:
    print(settings.first_uid, flush=True)
    sys.stdin.read()
"""
FAR = 3_000_000


class Holder:
    """Another worker of this machine."""

    def __init__(self, data: Path, *words: str) -> None:
        data.mkdir(exist_ok=True)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, data, *words], stdin=pipe, stdout=pipe, text=True
        )
        assert self.process.stdout
        self.first = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Holder]:
    holder = Holder(tmp_path / "other")
    yield holder
    holder.kill()


def test_another_workers_accounts_are_left_to_it(tmp_path: Path, other: Holder) -> None:
    with own_accounts(WorkerSettings(data_directory=tmp_path)) as settings:
        first = settings.first_uid
        assert abs(first - other.first) >= SPAN
    with own_accounts(WorkerSettings(data_directory=tmp_path)) as settings:
        assert settings.first_uid == first, "its files belong to these"


def test_a_killed_workers_accounts_are_its_own_again(tmp_path: Path) -> None:
    # Far above those that other workers of this machine may take meanwhile.
    far = WorkerSettings(data_directory=tmp_path).first_uid + SPAN * (TRIED_RANGES - 6)
    (tmp_path / REMEMBERED).write_text(str(far))
    for _ in range(2):
        holder = Holder(tmp_path)
        holder.kill()
        assert holder.first == far


def test_accounts_that_were_set_and_are_taken_are_refused(tmp_path: Path) -> None:
    holder = Holder(tmp_path / "other", str(FAR))
    for first in (FAR, FAR + SPAN - 1, FAR - SPAN + 1):
        with (
            pytest.raises(RequestError, match="first_uid"),
            own_accounts(WorkerSettings(data_directory=tmp_path, first_uid=first)),
        ):
            pass
    with own_accounts(WorkerSettings(data_directory=tmp_path, first_uid=FAR + SPAN)) as settings:
        assert settings.first_uid == FAR + SPAN
    holder.kill()
