"""``pullyard up``: everything on this machine, until Ctrl-C."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.coordinator_options import DEFAULT_PORT, Host, Port, PublicUrl, read_settings
from pullyard.cli.data_lock import lock_data
from pullyard.cli.demo_report import program
from pullyard.cli.places import default_data_directory
from pullyard.cli.system import run_system
from pullyard.cli.terminal import Terminal
from pullyard.cli.worker_policy import read_policy_here
from pullyard.coordinator.event_loop import run_coordinator
from pullyard.coordinator.logbook import configure_logs
from pullyard.coordinator.server import Served

app = typer.Typer(rich_markup_mode=None, add_completion=False)

LOG_BYTES = 16 << 20


@app.command()
def up(
    context: typer.Context,
    *,
    port: Port = DEFAULT_PORT,
    host: Host = "127.0.0.1",
    public_url: PublicUrl = None,
    exit_with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Run the coordinator, its database and one worker. Nothing is lost when it is killed."""
    terminal: Terminal = context.obj
    data = (terminal.data or default_data_directory()).absolute()
    settings = read_settings(data, host=host, port=port, public_url=public_url)
    # The worker would end for it again and again, and say so in its own log alone.
    read_policy_here(data)
    lock = lock_data(data)
    log_path = data / "coordinator.log"
    if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
        log_path.rename(log_path.with_suffix(".log.1"))
    log_path.touch(mode=0o600)

    def announce(served: Served, login_url: str) -> None:
        _say(terminal, data, served.url, login_url)
        terminal.finish({"url": served.url, "login_url": login_url, "data": str(data), "pid": os.getpid()})

    with log_path.open("a") as log:
        configure_logs(settings.log_level, as_json=settings.log_json, stream=log)
        # The libraries' own words go there too.
        logging.basicConfig(stream=log, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
        run_coordinator(run_system(settings, data, announce=announce, with_parent=exit_with_parent))
    lock.release()


def _say(terminal: Terminal, data: Path, url: str, login_url: str) -> None:
    at = "" if data == default_data_directory() else f" --data {data}"
    for line in (
        f"Pullyard runs at {url}",
        "",
        f"  Log in   {login_url}",
        "           (good once; start again for another one)",
        f"  Data     {data}",
        f"  Logs     {data}/coordinator.log, {data}/worker/worker.log",
        "",
        "In another terminal:",
        "",
        f"  {program()} project add PATH-OR-ADDRESS{at}",
        f"  {program()} task add PROJECT 'What is wanted' --agent claude-code --wait{at}",
        f"  {program()} change diff PROJECT#1{at}",
        f"  {program()} change merge PROJECT#1{at}",
        "",
        "Ctrl-C ends it; what runs is saved and goes on at the next start.",
    ):
        terminal.say(line)
