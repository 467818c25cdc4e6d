"""``pullyard receipt``: what a worker has signed about a verification, to be shown and checked."""

from typing import Annotated, Any

import msgspec
import typer

from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.places import WORKER_DIRECTORY, default_data_directory
from pullyard.cli.receipt_rows import HEADS, command_rows
from pullyard.cli.receipt_source import Given, known_keys, of_execution, read_keys, read_source
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import RequestError
from pullyard.protocol.receipt_text import write_block
from pullyard.protocol.receipts import Envelope, ReceiptRefused
from pullyard.protocol.resources import ReceiptKey
from pullyard.protocol.signed_receipts import SignedReceipt, check_receipt
from pullyard.worker.receipt_key import show_key

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

COMMIT_DIGITS = (40, 64)


@app.command("verify")
def verify(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file of a pull request's text, '-' for stdin, an execution, a change or a task.",
        ),
    ] = "-",
    *,
    key: Annotated[
        list[str],
        typer.Option(help="A worker's public key, or a file of them; default: those the coordinator knows."),
    ] = [],  # noqa: B006
    commit: Annotated[
        str | None, typer.Option(help="The whole id of the commit that it has to be of.")
    ] = None,
) -> None:
    """Fail unless every receipt is as its worker has signed it, and all commands in it passed."""
    terminal: Terminal = context.obj
    trusted = read_keys(key)
    if commit is not None and len(commit) not in COMMIT_DIGITS:
        raise RequestError("--commit wants the whole id, such as 'git rev-parse HEAD' says it.")
    given = read_source(terminal, source)
    checked = [check(terminal, given, one, trusted, commit) for one in given.receipts]
    for signed, owner in checked:
        show_signed(terminal, signed, owner)
    terminal.finish([document(signed, owner) for signed, owner in checked])
    if not all(signed.receipt.passed for signed, _ in checked):
        terminal.warn("The receipt is genuine, and it says that the verification was not passed.")
        raise typer.Exit(ExitCode.FAILED)


def check(
    terminal: Terminal, given: Given, one: Any, trusted: list[str], commit: str | None
) -> tuple[SignedReceipt, ReceiptKey | None]:
    """The owner is None where the key was named by hand. Raises ReceiptRefused."""
    known = [] if trusted else known_keys(terminal, one)
    signed = check_receipt(one, trusted or list({owner.key for owner in known}))
    receipt = signed.receipt
    owner = next((owner for owner in known if owner.worker_id == receipt.worker_id), None)
    if owner is None and known:
        raise ReceiptRefused(
            f"The receipt says that it is of worker {receipt.worker_id}, "
            f"and {known[0].worker_name!r} ({known[0].worker_id}) has signed it."
        )
    for wanted in (given.commit, commit):
        if wanted not in (None, receipt.commit):
            raise ReceiptRefused(f"The receipt is of another commit: {receipt.commit}, not {wanted}.")
    if given.execution_id not in (None, signed.execution_id):
        raise ReceiptRefused(
            f"The receipt is of another execution: {signed.execution_id}, not {given.execution_id}."
        )
    return signed, owner


def show_signed(terminal: Terminal, signed: SignedReceipt, owner: ReceiptKey | None) -> None:
    receipt = signed.receipt
    terminal.facts(
        {
            "signed by": f"{owner.worker_name} ({owner.worker_id})" if owner else receipt.worker_id,
            "key": signed.key,
            "commit": receipt.commit,
            "tree": receipt.tree,
            "base commit": receipt.base_commit,
            "repository": signed.repository,
            "execution": signed.execution_id,
            "verified at": receipt.verified_at,
            "tries": receipt.tries if receipt.tries > 1 else None,
            "sandbox": sandbox_text(receipt.sandbox),
            "warning": receipt.warning,
        }
    )
    if receipt.commands:
        terminal.say()
        terminal.rows(HEADS, command_rows(receipt.commands))
    if owner and owner.revoked_at:
        terminal.warn(
            f"The worker's access was taken away at {owner.revoked_at}: whoever has its key can sign as it."
        )
    terminal.say()
    terminal.say("Verified: all commands passed." if receipt.passed else "Not verified.")


def sandbox_text(told: dict[str, Any]) -> str:
    """In words; a worker of another version may say other things of it."""
    words = [str(told[name]) for name in ("name", "level") if told.get(name)]
    if told.get("own_account"):
        words.append("an account of its own")
    if told.get("image"):
        words.append(f"image {told['image']}")
    return ", ".join(words)


def document(signed: SignedReceipt, owner: ReceiptKey | None) -> dict[str, Any]:
    receipt = msgspec.to_builtins(signed.receipt)
    del receipt["envelope"]
    return {
        **receipt,
        "execution_id": signed.execution_id,
        "task_id": signed.task_id,
        "repository": signed.repository,
        "key": signed.key,
        "worker_name": owner.worker_name if owner else None,
    }


@app.command("show")
def show(
    context: typer.Context,
    execution: Annotated[
        str, typer.Argument(metavar="EXECUTION", help="Its id, or its task: an id or PROJECT#NUMBER.")
    ],
) -> None:
    """The signed receipt of an execution, to be kept in a file or sent to somebody; nothing is checked."""
    terminal: Terminal = context.obj
    (receipt,) = of_execution(terminal, execution).receipts
    try:
        envelope = msgspec.convert(receipt.get("envelope"), Envelope)
    except msgspec.ValidationError as error:
        raise RequestError(f"The receipt of {execution} was never signed: its worker is too old.") from error
    terminal.say(write_block(envelope))
    terminal.finish(receipt)


@app.command("key")
def key_of_this_machine(context: typer.Context) -> None:
    """The public key of the worker on this machine, for 'pullyard receipt verify --key'."""
    terminal: Terminal = context.obj
    shown = show_key((terminal.data or default_data_directory()) / WORKER_DIRECTORY)
    terminal.say(one_line(shown))
    terminal.finish({"key": shown})
