"""Postgres as a child: it ends with its parent, keeps what it acknowledged, and finds its feet again."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from pullyard.store import strays
from pullyard.store.account import choose_account
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.errors import DRIVER_AWAY, StoreRefused
from pullyard.store.programs import copy_bundle, find_programs, within_reach
from tests.postgres import fast_directory

PROGRAM = Path(__file__).with_name("embedding_program.py")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres under another account")


@pytest.fixture
def place():
    """A directory that every account may enter, as pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="pullyard-embedded-", dir=fast_directory()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def postgres(place):
    postgres = EmbeddedPostgres(place)
    yield postgres
    postgres.stop()


@pytest.fixture
def parent(place):
    """A process with a Postgres of its own in ``place``."""
    process = subprocess.Popen([sys.executable, PROGRAM, place], stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def fetch(url, statement="SELECT 1"):
    async def run():
        connection = await asyncpg.connect(url, timeout=60)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_for_end(processes):
    for process in processes:
        strays.await_end(process, 60)
        assert not Path(f"/proc/{process}/cwd").exists()


def test_the_killed_parent_takes_postgres_along_and_loses_nothing(parent, place, postgres):
    told = [parent.stdout.readline() for _ in range(200)]
    running = strays.processes_in(place / "cluster")
    assert running
    parent.kill()
    told += parent.stdout.read().splitlines()
    wait_for_end(running)
    kept = fetch(postgres.start(), f"SELECT count(*) FROM told WHERE number <= {int(told[-1])}")
    assert kept == int(told[-1]) + 1


def test_everything_killed_at_once_loses_nothing(parent, place, postgres):
    told = [parent.stdout.readline() for _ in range(100)]
    supervisor = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[0])
    for process in [supervisor, parent.pid, *strays.processes_in(place / "cluster")]:
        strays.tell(process, signal.SIGKILL)
    # Its lock is free once the system has taken it apart.
    parent.wait()
    assert fetch(postgres.start(), "SELECT max(number) FROM told") >= int(told[-1])


def test_a_stray_server_is_ended_first(parent, place, postgres):
    parent.stdout.readline()
    running = strays.processes_in(place / "cluster")
    supervisor = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[0])
    os.kill(supervisor, signal.SIGKILL)
    parent.kill()
    parent.wait()
    assert fetch(postgres.start()) == 1
    assert not running & strays.processes_in(place / "cluster")


def test_a_second_start_is_refused_and_names_the_first(postgres, place):
    postgres.start()
    with pytest.raises(StoreRefused, match=rf"process {os.getpid()}\)") as refused:
        EmbeddedPostgres(place).start()
    assert refused.value.code == "data-in-use"


def test_stop_leaves_nothing_running_and_start_works_again(postgres, place):
    postgres.start()
    postgres.stop()
    assert not strays.processes_in(place / "cluster")
    assert fetch(postgres.start()) == 1


def test_a_killed_server_comes_back_under_its_parent(postgres, place):
    url = postgres.start()
    server = strays.told_server(place / "cluster")
    watch = os.pidfd_open(server)
    os.kill(server, signal.SIGKILL)
    select.select([watch], [], [], 10)
    os.close(watch)

    async def until_it_answers():
        while True:
            try:
                connection = await asyncpg.connect(url)
            except DRIVER_AWAY:
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return

    asyncio.run(asyncio.wait_for(until_it_answers(), 60))
    assert strays.told_server(place / "cluster") != server


def test_stop_ends_postgres_though_its_supervisor_was_killed(postgres, place):
    postgres.start()
    postgres.supervisor.kill()
    postgres.stop()
    assert not strays.processes_in(place / "cluster")


def test_a_stale_number_that_is_somebody_elses_is_no_hindrance(postgres, place):
    postgres.start()
    told = (place / "cluster/postmaster.pid").read_text().split("\n", 1)[1]
    postgres.stop()
    (place / "cluster/postmaster.pid").write_text(f"{os.getppid()}\n{told}")
    assert fetch(postgres.start()) == 1


def test_an_interrupted_first_start_is_done_again(postgres, place):
    unfinished = place / "cluster.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    assert fetch(postgres.start()) == 1
    assert not unfinished.exists()


def test_a_long_path_has_a_short_socket_that_goes_away(place):
    postgres = EmbeddedPostgres(place / ("long" * 25))
    url = postgres.start()
    sockets = (postgres.directory / "socket").readlink()
    assert fetch(url) == 1
    assert len(os.fsencode(sockets)) < 80
    postgres.stop()
    assert not sockets.exists()


def test_a_failed_start_shows_the_end_of_the_log_and_frees_the_directory(place, postgres):
    with pytest.raises(StoreRefused, match="shared_buffers"):
        EmbeddedPostgres(place, settings={"shared_buffers": "nonsense"}).start()
    assert fetch(postgres.start()) == 1


def test_the_cluster_is_utf8_checksummed_and_off_the_network(postgres):
    url = postgres.start()
    shown = [fetch(url, f"SHOW {name}") for name in ("server_encoding", "data_checksums", "listen_addresses")]
    assert shown == ["UTF8", "on", ""]


@root_only
def test_postgres_does_not_run_as_root(postgres, place):
    postgres.start()
    owners = {Path(f"/proc/{process}").stat().st_uid for process in strays.processes_in(place / "cluster")}
    assert owners == {choose_account().uid}
    assert owners != {0}


@root_only
def test_no_other_account_gets_to_the_socket(postgres, place):
    postgres.start()
    entered = [
        subprocess.run(["test", "-x", place / "socket"], user=user, check=False) for user in (0, 54321)
    ]
    assert [done.returncode for done in entered] == [0, 1]


@root_only
def test_a_directory_out_of_reach_is_named(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(StoreRefused, match="chmod o\\+x") as refused:
        EmbeddedPostgres(tmp_path / "data").start()
    assert refused.value.code == "data-unreachable"


@root_only
def test_programs_out_of_reach_are_copied_once(tmp_path, place):
    found = find_programs("postgres", "initdb")
    private = tmp_path / "postgres-private"
    copy_bundle(found.bundle, found.directory.parent, private)
    tmp_path.chmod(0o700)
    closed = type(found)(private / found.directory.relative_to(found.bundle), found.major, private)
    account = choose_account()
    copies = [within_reach(closed, account, place) for _ in range(2)]
    assert account.run([closed.path("postgres"), "--version"]).returncode
    assert account.run([copies[0].path("initdb"), "--version"]).returncode == 0
    assert copies[0] == copies[1]


@root_only
def test_a_full_disk_is_told(place):
    disk = place / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        disk.chmod(0o711)
        with pytest.raises(StoreRefused, match="No space left"):
            EmbeddedPostgres(disk / "data").start()
    finally:
        subprocess.run(["umount", disk], check=True)
