"""Guards taken out on purpose, to see that the simulation notices: each is one that the design relies on.

A guard that stands in a statement is taken out of the member in memory, which asks for its name; one that
stands in the code is replaced here for the length of a history. Nothing in ``src`` knows of any of this.
"""

from itertools import count
from typing import Any

from pullyard.coordinator.caretakers import loop as caretakers
from pullyard.coordinator.executions import claim
from pullyard.coordinator.workers.forgotten import Forgotten
from pullyard.git.provenance import Provenance
from pullyard.worker.journal import Journal
from pullyard.worker.lease import Lease
from pullyard.worker.stop import Stop
from simulation.mutation import Mutation, all_of, replace
from simulation.mutations_money import MONEY_MUTATIONS


async def at_once(_lease: Lease, _execution_id: str | None = None) -> None:
    """The lease is not asked."""


_wait_live = Lease.wait_live


async def for_any(lease: Lease, _execution_id: str | None = None) -> None:
    """A lease that was renewed for other executions is as good."""
    await _wait_live(lease)


async def no_grace(_services: Any) -> None:
    """Leases are left as they are."""


def forget_nothing(_forgotten: Forgotten, _worker_id: str, _missing: Any) -> list[str]:
    return []


def deaf(stop: Stop, reason: Any, message: str) -> None:
    """To the word that the execution is lost."""
    if reason is not None:
        HEARD(stop, reason, message)


def save_first(journal: Journal) -> None:
    """Only what is known at the start."""
    if not journal.record.nodes:
        SAVED(journal)


HEARD, SAVED = Stop.request, Journal.save
NUMBERS = count()

MUTATIONS: dict[str, Mutation] = {
    mutation.name: mutation
    for mutation in (
        Mutation(
            "fence", "mutation.9", "A write for an execution names its fence, and another one is refused."
        ),
        Mutation("no-log-after-the-end", "mutation.17", "A log takes nothing once its execution has ended."),
        Mutation("log-offset", "mutation.0", "A frame is appended only at the end of its stream."),
        Mutation(
            "state-recheck",
            "mutation.1166",
            "A claim looks again whether the task is queued when it writes it.",
        ),
        Mutation(
            "summary-from-updated-rows",
            "mutation.1166",
            "Only tasks that were really written move a project's summary.",
        ),
        Mutation(
            "project-limit", "mutation.0", "A project with as many executions as it may have is passed over."
        ),
        Mutation("global-limit", "mutation.20", "A claim leaves room for what runs already."),
        Mutation(
            "member-limit", "mutation.19", "A member with as many executions as it may have is passed over."
        ),
        Mutation("worker-slots", "mutation.269", "A worker is given no more executions than it has slots."),
        Mutation(
            "re-deliverable-grant",
            "mutation.6",
            "The same request is given the same grant until it is confirmed.",
        ),
        Mutation(
            "acknowledge-before-lease",
            "mutation.9",
            "A grant that is never confirmed is taken back, lease or not.",
        ),
        Mutation(
            "overdue-recheck",
            "mutation.425",
            "An execution is lost only if it is overdue under the lock, too.",
        ),
        Mutation(
            "grace",
            "mutation.36",
            "A coordinator that was away gives every lease one more term.",
            replace(caretakers, "give_grace", no_grace),
        ),
        Mutation(
            "forgotten",
            "mutation.5",
            "What a worker in contact does not name any more is taken back.",
            replace(Forgotten, "note", forget_nothing),
        ),
        Mutation(
            "lease-before-publish",
            "mutation.187",
            "A publication begins only under a live lease.",
            replace(Lease, "wait_live", at_once),
        ),
        Mutation(
            "lease-of-this-execution",
            "4000000.1253",
            "A lease that was renewed without an execution does not let it publish.",
            replace(Lease, "wait_live", for_any),
        ),
        Mutation(
            "lost-is-obeyed",
            "mutation.62",
            "A worker that is told that an execution is lost publishes nothing for it.",
            all_of(replace(Stop, "request", deaf), replace(Lease, "wait_live", for_any)),
        ),
        Mutation(
            "journal-before-effect",
            "mutation.36",
            "What was done is in the journal before anything outside can depend on it.",
            replace(Journal, "save", save_first),
        ),
        Mutation(
            "compare-and-swap-push",
            "mutation.1811",
            "A branch moves only from where the pusher believes it to be.",
        ),
        Mutation(
            "later-execution-wins",
            "mutation.1973",
            "A branch is replaced only by a later execution of its task.",
            all_of(
                replace(Provenance, "comes_after", lambda _ours, _theirs: True),
                replace(Lease, "wait_live", for_any),
            ),
        ),
        *MONEY_MUTATIONS,
        Mutation(
            "one-branch-a-task",
            "mutation.0",
            "All executions of a task push to one branch.",
            replace(
                claim, "head_branch", lambda number, slug, _: f"pullyard/{number}-{slug}-{next(NUMBERS)}"
            ),
        ),
    )
}
