"""A cluster is a directory of Postgres data: making one, and the settings it runs with."""

import shutil
from pathlib import Path

from pullyard.files.writes import rename_durably
from pullyard.store.account import Account
from pullyard.store.errors import StoreRefused
from pullyard.store.programs import Programs, find_programs

ROLE = "pullyard"
DATABASE = "pullyard"
BUILTIN_LOCALES_SINCE = 17
SHOWN_LINES = 6

# Chosen for one team on a small machine: some 40 MiB in all when idle.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "superuser_reserved_connections": "3",
    "shared_buffers": "24MB",
    "huge_pages": "off",
    "jit": "off",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "max_worker_processes": "2",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "3",
    "autovacuum_max_workers": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "pullyard",
    # Errors are told to whoever made the statement; in the log they would only repeat what it contained.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
# Postgres 18 has three more processes for reading ahead unless told otherwise.
SETTINGS_SINCE = {18: {"io_method": "sync"}}


def settings_for(major: int) -> dict[str, str]:
    settings = dict(SETTINGS)
    for since, more in SETTINGS_SINCE.items():
        if major >= since:
            settings |= more
    return settings


def last_lines(text: str) -> str:
    """The end of a program's output as one line, for a message."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-SHOWN_LINES:])


def make_cluster(cluster: Path, account: Account, programs: Programs) -> None:
    """Makes the cluster under another name and renames it, so that it is there whole or not at all."""
    unfinished = cluster.with_name(f"{cluster.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    account.own(unfinished)
    locale = ["--locale=C"]
    if programs.major >= BUILTIN_LOCALES_SINCE:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = programs.path("initdb")
    require(
        account,
        [initdb, "-D", unfinished, "-N", "-U", ROLE, "--auth=peer", "--encoding=UTF8", "-k", *locale],
    )
    (unfinished / "pg_hba.conf").write_text("local all all peer map=pullyard\n")
    require(
        account,
        [programs.path("postgres"), "--single", "-D", unfinished, "template1"],
        text=f"ALTER DATABASE postgres RENAME TO {DATABASE}\n",
    )
    require(account, [initdb, "-S", "-D", unfinished])
    rename_durably(unfinished, cluster)


def require(account: Account, arguments: list[str | Path], *, text: str = "") -> None:
    done = account.run(arguments, text=text)
    if done.returncode:
        raise StoreRefused(
            f"The database can't be made: {last_lines(done.stdout)}. Put this right and start again.",
            code="database-start",
        )


def programs_for(cluster: Path, account: Account) -> Programs:
    """The programs of the version that made the cluster: no other can read it."""
    if not cluster.exists():
        return find_programs("postgres", "initdb")
    if cluster.stat().st_uid != account.uid:
        raise StoreRefused(
            f"The database in {cluster} belongs to user number {cluster.stat().st_uid}, and Postgres would "
            f"run as '{account.name}': start Pullyard as the user who made it.",
            code="data-unreachable",
        )
    version = (cluster / "PG_VERSION").read_text().strip()
    return find_programs("postgres", major=int(version))


def admit(cluster: Path, user: str) -> None:
    """Lets ``user``, and nobody else on this machine, connect as the owner of the data."""
    (cluster / "pg_ident.conf").write_text(f'pullyard "{user}" {ROLE}\n')
