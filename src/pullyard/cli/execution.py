"""``pullyard execution``: the steps of one try, what it asks, and the answer to it."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from pullyard.cli.inputs import checked, read_text
from pullyard.cli.profile import connect
from pullyard.cli.receipt_rows import HEADS, rows_of
from pullyard.cli.references import Missing, find_task
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.conversation import CONVERSATION_STREAM
from pullyard.protocol.workflows import AnswerInput
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
NETWORK_HEADS = ("HOST", "REQUESTS", "REFUSED", "SENT", "RECEIVED")
ExecutionReference = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="Its id, or its task: an id or PROJECT#NUMBER.")
]


@app.command("show")
def show(context: typer.Context, execution: ExecutionReference) -> None:
    """One try: how it went, what its receipt says, and what it reached over the network."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        shown = client.execution(find_execution(client, execution))
    document = shown.model_dump(mode="json")
    network = document["facts"].pop("network", None)
    commands = rows_of(document.pop("receipt"))
    terminal.facts(document)
    if commands:
        terminal.say()
        terminal.rows(HEADS, commands)
    if network_rows := read_network(network):
        terminal.say()
        terminal.rows(NETWORK_HEADS, network_rows)
    terminal.finish(shown)


@app.command("nodes")
def nodes(context: typer.Context, execution: ExecutionReference) -> None:
    """The steps that were walked, with their outcomes and times."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        walked = list(client.execution_nodes(find_execution(client, execution)))
    rows = [
        (one.name, one.phase, one.outcome or one.state, f"{one.seconds:.1f} s", one.message) for one in walked
    ]
    terminal.rows(("STEP", "PHASE", "OUTCOME", "TIME", "MESSAGE"), rows)
    terminal.finish(walked)


@app.command("question")
def question(context: typer.Context, execution: ExecutionReference) -> None:
    """What it asks, and the work so far."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        asked = client.question(find_execution(client, execution))
    if asked.diff:
        terminal.say_text(asked.diff)
        terminal.say()
    terminal.say(f"Step {asked.node} asks: {one_line(asked.question, characters=2000)}")
    if asked.answer is not None:
        terminal.say(f"It was answered: {one_line(asked.answer, characters=2000)}")
    else:
        words = " or with your own words" if asked.text else ""
        terminal.say(f"Answer with {' or '.join(map(one_line, asked.choices))}{words}.")
    terminal.finish(asked)


@app.command("answer")
def answer(
    context: typer.Context,
    execution: ExecutionReference,
    words: Annotated[str, typer.Argument(help="approve, reject, or words; '-' reads stdin.")],
) -> None:
    """Answer what it asks; its worker goes on within a heartbeat."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        execution_id = find_execution(client, execution)
        asked = client.question(execution_id)
        # The question that was there when the person decided: never another one that came meanwhile.
        wish = checked(AnswerInput, {"answer": read_text(words), "question_id": asked.id})
        answered = client.answer(execution_id, wish)
    terminal.say(f"Answered: {one_line(asked.question, characters=200)}")
    terminal.finish(answered)


@app.command("conversation")
def conversation(context: typer.Context, execution: ExecutionReference) -> None:
    """What its agent said and did, as JSON lines; in plain ASCII, so that a terminal is not steered by it."""
    terminal: Terminal = context.obj
    entries: list[Any] = []
    with connect(terminal) as client:
        execution_id = find_execution(client, execution)
        for line in lines_of(client.log(execution_id, CONVERSATION_STREAM)):
            entry = read_entry(line)
            if terminal.as_json:
                entries.append(entry)
            else:
                terminal.say_text(json.dumps(entry))
    terminal.finish(entries)


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        yield from whole
    if held:
        yield held


def read_entry(line: bytes) -> Any:
    """A line that is no JSON, such as the notice of the log's limit, becomes a note."""
    try:
        return json.loads(line)
    except ValueError:
        return {"kind": "note", "text": line.decode(errors="replace")}


def read_network(network: Any) -> list[tuple[object, ...]]:
    """A worker's own words, which are not believed to have the right shape."""
    hosts = network.items() if isinstance(network, dict) else ()
    counted = [(host, count) for host, count in hosts if isinstance(count, dict)]
    return [
        (
            host,
            *(count.get(name, "") for name in ("requests", "refused")),
            *(f"{count.get(name, '')} B" for name in ("sent_bytes", "received_bytes")),
        )
        for host, count in counted
    ]


def find_execution(client: Client, reference: str) -> str:
    """Its id; of a task it is the newest one."""
    if is_id(reference, Kind.EXECUTION):
        return reference
    task = find_task(client, reference)
    if task.execution_id is None:
        raise Missing(f"Task {task.number} has no execution yet: it is {task.state}.")
    return task.execution_id
