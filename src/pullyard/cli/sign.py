"""``pullyard sign``: a project's owner says with a key of their own what workers may do for it."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.inputs import checked
from pullyard.cli.profile import connect
from pullyard.cli.references import find_task
from pullyard.cli.sanitise import one_line
from pullyard.cli.sign_review import EMPTY, agree, show
from pullyard.cli.signed_work import default_key, expiry_text, make_key, read_key, sign_work, work_of
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TaskPatch, TaskRetry
from pullyard.protocol.signed_tasks import SignatureRefused, check_signature, parts_of
from pullyard.protocol.signing import public_text

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
HOURS = 168.0
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", envvar="PULLYARD_SIGNING_KEY", help="Your key's file; default: in your settings."),
]
KeyArgument = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Where it is kept; default: in your settings.")
]
TaskReferences = Annotated[list[str], typer.Argument(help="Ids, or PROJECT#NUMBER.")]
Hours = Annotated[float, typer.Option("--hours", min=0.01, max=87_600, help="How long it is good for.")]


@app.command("keygen")
def keygen(context: typer.Context, file: KeyArgument = None) -> None:
    """Make a key. Its file stays with you: on no worker and not beside the coordinator."""
    terminal: Terminal = context.obj
    path = file or default_key()
    public = public_text(make_key(path).public_key())
    terminal.say(f"The key is in {path}: keep it, and show it to nobody.")
    terminal.say("A worker's owner demands its signature in policy.toml, below a [[repository]]:")
    terminal.say(f'signed_by = ["{public}"]')
    terminal.finish({"key": str(path), "public": public})


@app.command("public")
def public(context: typer.Context, key: KeyFile = None) -> None:
    """Show the public half of a key, for policies."""
    terminal: Terminal = context.obj
    text = public_text(read_key(key or default_key()).public_key())
    terminal.say(text)
    terminal.finish({"public": text})


@app.command("task")
def sign_tasks(
    context: typer.Context,
    task: TaskReferences,
    *,
    key: KeyFile = None,
    hours: Hours = HOURS,
    retry: Annotated[bool, typer.Option("--retry", help="And try those again that have failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, sign what is shown.")] = False,
) -> None:
    """Show what the coordinator would have done, and sign exactly that."""
    terminal: Terminal = context.obj
    private = read_key(key or default_key())
    with connect(terminal) as client:
        found = [find_task(client, one) for one in task]
        works = [work_of(client.project(one.project_id), one) for one in found]
        for one, work in zip(found, works, strict=True):
            terminal.say(f"Task {one.number} of {one_line(work.project_name)} ({one.id}):")
            show(terminal, work, [name for name, part in parts_of(work).items() if part not in EMPTY])
            terminal.say()
        agree(terminal, "Sign this?" if len(found) == 1 else f"Sign these {len(found)} tasks?", yes=yes)
        until = expiry_text(time.time() + hours * 3600)
        signed = []
        for one, work in zip(found, works, strict=True):
            patch = checked(TaskPatch, {"signature": sign_work(work, private, hours)})
            edited = client.edit_task(one.id, patch, version=one.version)
            if retry and edited.state in ("failed", "cancelled"):
                edited = client.retry_task(one.id, TaskRetry())
            signed.append(edited)
            terminal.say(f"Task {edited.number} is signed until {until}, and {edited.state}.")
    terminal.finish(signed)


@app.command("check")
def check(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Its id, or PROJECT#NUMBER.")],
    *,
    key: KeyFile = None,
    public_key: Annotated[
        list[str], typer.Option("--public", help="A public key instead of your own's. Repeatable.")
    ] = [],  # noqa: B006
) -> None:
    """Whether a task's signature is good for what the coordinator would have done now."""
    terminal: Terminal = context.obj
    keys = public_key or [public_text(read_key(key or default_key()).public_key())]
    with connect(terminal) as client:
        found = find_task(client, task)
        work = work_of(client.project(found.project_id), found)
    try:
        payload = check_signature(found.signature, work, keys, time.time())
    except SignatureRefused as error:
        raise RequestError(str(error), code="signature-refused") from error
    terminal.say(f"Signed by {payload.key}, until {expiry_text(payload.expires_at)}.")
    terminal.finish({"key": payload.key, "expires_at": payload.expires_at})
