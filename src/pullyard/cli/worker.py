"""``pullyard worker``: a process that executes tasks for a coordinator."""

import asyncio
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pullyard.cli.crash import crash_where_asked
from pullyard.cli.inputs import first_fault
from pullyard.cli.places import WORKER_DIRECTORY, default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.cli.worker_control import app
from pullyard.coordinator.logbook import configure_logs
from pullyard.protocol.errors import RequestError
from pullyard.worker.run import run_worker
from pullyard.worker.settings import WorkerSettings, load_settings


@app.callback(invoke_without_command=True)
def worker(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    *,
    url: Annotated[str | None, typer.Option(help="The coordinator's address.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="An enrolment token, for the first start; better in PULLYARD_WORKER_ENROLMENT_TOKEN."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    name: Annotated[str | None, typer.Option(help="Default: this machine's name.")] = None,
    slots: Annotated[int | None, typer.Option(help="Tasks at the same time.")] = None,
    label: Annotated[list[str], typer.Option(help="What tasks may ask for. Repeatable.")] = [],  # noqa: B006
    sandbox: Annotated[str | None, typer.Option(help="Default: the best one measured here.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Run one execution, then end.")] = False,
) -> None:
    """Pull tasks and run them here. Flags win over PULLYARD_WORKER_* variables, those over the file.

    With a command: show the coordinator's workers, and step in.
    """
    if context.invoked_subcommand is not None:
        return
    terminal: Terminal = context.obj
    flags = {
        "data_directory": (terminal.data or default_data_directory()) / WORKER_DIRECTORY,
        "coordinator_url": url,
        "enrolment_token": token,
        "name": name,
        "slots": slots,
        "labels": tuple(label) or None,
        "sandbox": sandbox,
        "once": once or None,
    }
    # Its words are a log, so they go to stderr, and stdout is for the document.
    settings = _read(config, flags)
    configure_logs(settings.log_level, as_json=settings.log_json)
    crash_where_asked()
    exit_code = asyncio.run(run_worker(settings))
    terminal.finish({"exit_code": exit_code})
    raise typer.Exit(exit_code)


def _read(config: Path | None, flags: dict[str, Any]) -> WorkerSettings:
    try:
        return load_settings(config, **flags)
    except ValidationError as error:
        raise RequestError(f"The worker's settings can't be used: {first_fault(error)}.") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"The file {config} is not TOML: {error}.") from error
    except OSError as error:
        raise RequestError(f"The file {config} can't be read: {error.strerror}.") from error
