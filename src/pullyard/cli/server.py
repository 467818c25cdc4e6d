"""``pullyard server``: the coordinator alone."""

import typer

from pullyard.cli.coordinator_options import DEFAULT_PORT, Host, Port, PublicUrl, read_settings
from pullyard.cli.crash import crash_where_asked
from pullyard.cli.data_lock import lock_data
from pullyard.cli.places import default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.coordinator.event_loop import run_coordinator
from pullyard.coordinator.logbook import configure_logs
from pullyard.coordinator.server import Served, serve

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def server(
    context: typer.Context,
    *,
    port: Port = DEFAULT_PORT,
    host: Host = "127.0.0.1",
    public_url: PublicUrl = None,
) -> None:
    """Serve until a signal. PULLYARD_DATABASE_URL names a Postgres; without it one is started inside."""
    terminal: Terminal = context.obj
    data = (terminal.data or default_data_directory()).absolute()
    settings = read_settings(data, host=host, port=port, public_url=public_url)
    # Only the embedded database is tied to a directory: of other servers there may be many.
    lock = lock_data(data) if settings.database_url is None else None

    def announce(served: Served) -> None:
        terminal.say(f"Pullyard's coordinator runs at {served.url}")
        if served.first_login_url:
            terminal.say(f"Log in, once: {served.first_login_url}")
        terminal.finish({"url": served.url, "login_url": served.first_login_url})

    configure_logs(settings.log_level, as_json=settings.log_json)
    crash_where_asked()
    run_coordinator(serve(settings, started=announce))
    if lock is not None:
        lock.release()
