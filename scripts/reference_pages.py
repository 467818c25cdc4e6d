"""Fills the generated parts of docs/reference from the code that they describe.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``. Without arguments the pages
are written; with ``--check`` nothing is, and stale pages are named and end it with 1.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import dedent

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from pullyard.coordinator.app import create_app
from pullyard.coordinator.hub.asyncapi import SAID_BY_CLIENTS, SAID_BY_THE_SERVER, summary_of, types_of
from pullyard.coordinator.metrics.instruments import Metrics
from pullyard.coordinator.metrics.state import State
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.workers.wire import ROUTES
from pullyard.lifecycle.automation import AUTOMATION_TRANSITIONS
from pullyard.lifecycle.change import CHANGE_TRANSITIONS
from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS
from pullyard.lifecycle.machine import mermaid
from pullyard.lifecycle.reasons import REASONS
from pullyard.lifecycle.task import TASK_TRANSITIONS
from pullyard.lifecycle.tool_routing import TOOLS
from pullyard.lifecycle.worker import WORKER_TRANSITIONS
from pullyard.worker.gateway.registries import REGISTRIES
from pullyard.worker.policy.model import NetworkBounds, Rule, SandboxBounds, TextBounds
from pullyard.worker.settings import WorkerSettings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL)

# The data directory is named by --data or PULLYARD_DATA; the last one is for the program that starts us.
UNLISTED = {"data_dir", "data_directory", "exit_with_parent"}

YES = {True: "yes", False: "no"}
DEFAULTS = {"name": "this machine's name", "arch": "this machine's"}

WORDS = {
    "host": "the address to listen on; also `--host`",
    "port": "also `--port`",
    "database_connections": "connections to Postgres that one coordinator keeps at most",
    "heartbeat_seconds": "between two heartbeats of a worker",
    "lease_seconds": "a worker that is silent for longer loses its executions",
    "acknowledge_seconds": "until a grant that nobody confirmed goes back to the queue",
    "caretaker_seconds": "between two looks for lost workers and other things that are due",
    "slow_poll_seconds": "between two looks for work, should an announcement get lost",
    "worker_credential_seconds": "life of a worker's credential; workers renew it in time",
    "enrolment_seconds": "life of an enrolment token",
    "login_link_seconds": "life of a login link",
    "first_login_link_seconds": "life of the first start's login link",
    "session_seconds": "life of a browser's session",
    "log_stream_bytes": "most bytes of one stream of one execution",
    "log_json": "write JSON lines",
    "log_level": "`debug`, `info`, `warning` or `error`",
    "coordinator_url": "also `--url`",
    "name": "also `--name`",
    "labels": "what tasks may ask for; a JSON list; also `--label`",
    "arch": "the processor's architecture",
    "slots": "tasks at the same time; also `--slots`",
    "image_build_seconds": "most for building an image",
    "image_pull_seconds": "most for pulling an image",
    "anthropic_api_key": "the gateway adds it to the calls of Anthropic's models; no sandbox sees it",
    "anthropic_base_url": "where the gateway sends those calls",
}


POLICY: dict[str, type[msgspec.Struct]] = {
    "": Rule,
    "sandbox.": SandboxBounds,
    "network.": NetworkBounds,
    "text.": TextBounds,
}
POLICY_TABLES = ("sandbox", "network", "text")


def registries_table() -> str:
    rows = ["| language | hosts |", "| --- | --- |"]
    rows += [f"| {kind} | {', '.join(f'`{host}`' for host in hosts)} |" for kind, hosts in REGISTRIES.items()]
    return "\n".join(rows)


def settings_table(settings: type[BaseSettings]) -> str:
    said = docstrings(settings)
    prefix = settings.model_config.get("env_prefix", "")
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in settings.model_fields.items():
        if name not in UNLISTED:
            words = field.description or said.get(name) or WORDS[name]
            rows.append(f"| `{prefix}{name.upper()}` | {default(name, field)} | {one_cell(words)} |")
    return "\n".join(rows)


def policy_table() -> str:
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for prefix, shape in POLICY.items():
        said = docstrings(shape)
        for field in msgspec.structs.fields(shape):
            if field.name not in POLICY_TABLES:
                words = one_cell(said[field.name])
                rows.append(f"| `{prefix}{field.name}` | {policy_default(field)} | {words} |")
    return "\n".join(rows)


def policy_default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "no bound" if value is None else f"`{msgspec.json.encode(value).decode()}`"


def tools_table() -> str:
    rows = ["| tool | runs in | reaches | verdict | why |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| `{name}` | {route.place} | {route.security} | {route.verdict} | {route.why} |"
        for name, route in TOOLS.items()
    ]
    return "\n".join(rows)


def docstrings(settings: type) -> dict[str, str]:
    """The strings under the attributes, which Python itself does not keep."""
    body = ast.parse(dedent(inspect.getsource(settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(value=ast.Constant(value=str(words))):
                    found[field.target.id] = words
    return found


def default(name: str, field: FieldInfo) -> str:
    if name in DEFAULTS:
        return DEFAULTS[name]
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value in (None, (), {}):
        return "none"
    shown = (
        str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    )
    return f"`{shown}`"


def one_cell(words: str) -> str:
    text = " ".join(words.split()).replace("``", "`").replace("|", "\\|").rstrip(".")
    return text[0].upper() + text[1:]


def reasons_table() -> str:
    rows = ["| reason | who has to act | a retry may help | counts as a try | ends as |"]
    rows.append("| --- | --- | --- | --- | --- |")
    ends = {"fail": "failed", "time_out": "timed_out", "cancel": "cancelled", "lose": "lost"}
    for reason, facts in REASONS.items():
        cells = (facts.fault, YES[facts.retryable], YES[facts.counts_as_try], ends[facts.ends_as])
        rows.append(f"| `{reason}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def rest_table() -> str:
    rows = ["| request | what it does |", "| --- | --- |"]
    paths = create_app(CoordinatorSettings()).openapi()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            # Without a sentence of its own a route has a verb for its name.
            words = operation.get("description") or operation["summary"].split()[0]
            rows.append(f"| `{method.upper()} {path}` | {one_cell(words.splitlines()[0])} |")
    return "\n".join(rows)


def messages_table(models: Iterable[type[BaseModel]]) -> str:
    rows = ["| type | fields | meaning |", "| --- | --- | --- |"]
    for model in models:
        types = ", ".join(f"`{kind}`" for kind in types_of(model))
        fields = ", ".join(f"`{name}`" for name in model.model_fields if name not in ("v", "type"))
        rows.append(f"| {types} | {fields} | {one_cell(summary_of(model))} |")
    return "\n".join(rows)


def worker_routes() -> str:
    return "\n".join(f"- `POST {route.path}`" for route in ROUTES)


def metrics_table() -> str:
    metrics = Metrics()
    State(metrics.catalogue, project_limit=0)
    rows = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for name, one in sorted(metrics.catalogue.described.items()):
        shown = f"{name}_total" if one.kind == "counter" else name
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{shown}` | {one.kind} | {labels} | {one_cell(one.words)} |")
    return "\n".join(rows)


def diagram(table: Callable[[], str]) -> Callable[[], str]:
    return lambda: f"```mermaid\n{table()}\n```"


PARTS: dict[str, Callable[[], str]] = {
    "coordinator-settings": lambda: settings_table(CoordinatorSettings),
    "registries": registries_table,
    "policy": policy_table,
    "tools": tools_table,
    "worker-settings": lambda: settings_table(WorkerSettings),
    "task-diagram": diagram(lambda: mermaid(TASK_TRANSITIONS)),
    "execution-diagram": diagram(lambda: mermaid(EXECUTION_TRANSITIONS)),
    "worker-diagram": diagram(lambda: mermaid(WORKER_TRANSITIONS)),
    "change-diagram": diagram(lambda: mermaid(CHANGE_TRANSITIONS)),
    "automation-diagram": diagram(lambda: mermaid(AUTOMATION_TRANSITIONS)),
    "reasons": reasons_table,
    "rest-routes": rest_table,
    "stream-client-messages": lambda: messages_table(SAID_BY_CLIENTS),
    "stream-server-messages": lambda: messages_table(SAID_BY_THE_SERVER),
    "worker-routes": worker_routes,
    "metrics": metrics_table,
}


def filled(page: str) -> str:
    """The page with every generated part as it must be now."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part['name']]()}\n{part[3]}", page)


def stale_pages() -> Iterator[tuple[Path, str]]:
    """Each page that is not current, with what it must hold."""
    for path in sorted(REFERENCE.glob("*.md")):
        page = path.read_text()
        current = filled(page)
        if current != page:
            yield path, current


def main() -> int:
    stale = list(stale_pages())
    if "--check" in sys.argv[1:]:
        sys.stderr.write("".join(f"{path.name} is stale: run {sys.argv[0]}\n" for path, _ in stale))
        return 1 if stale else 0
    for path, current in stale:
        path.write_text(current)
    return 0


if __name__ == "__main__":
    sys.exit(main())
