"""The guards of what is spent, taken out on purpose."""

from collections.abc import Callable
from typing import Any

from pullyard.coordinator.costs import account, pause, spending
from pullyard.coordinator.executions import end
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.share import Share
from simulation.mutation import Mutation, all_of, replace


def the_second(_first: Any, second: Any) -> Any:
    return second


def the_latest() -> Callable[[], None]:
    """What was told last counts, also where it was overtaken."""
    module: Any = account
    module.max = the_second
    return lambda: delattr(module, "max")


async def nothing_more(*_: Any) -> None:
    """Nothing is done."""


def nothing_held(_ledger: Ledger, _micros: int, _tokens: int) -> None:
    """A request that runs holds nothing back."""


MONEY_MUTATIONS = (
    Mutation(
        "spending-fence", "mutation.14", "What is told of an execution names its fence, and it has not ended."
    ),
    Mutation(
        "usage-never-falls", "mutation.7", "A report that was overtaken takes nothing back.", the_latest
    ),
    Mutation("held-shares", "mutation.4538", "What others hold of a cap is given to nobody else."),
    Mutation(
        "reserve",
        "mutation.14",
        "A request that runs holds the most that it may use.",
        replace(Ledger, "_hold", nothing_held),
    ),
    Mutation(
        "covers",
        "mutation.14",
        "A request begins only within what the coordinator allowed.",
        replace(Share, "covers", lambda _share: True),
    ),
    Mutation("spent-budget", "mutation.7", "A claim passes over what is spent."),
    Mutation(
        "close-what-is-spent",
        "mutation.7",
        "What is found to be spent is closed before the report is answered.",
        all_of(
            replace(spending, "close_what_is_spent", nothing_more),
            replace(end, "close_what_is_spent", nothing_more),
        ),
    ),
    Mutation(
        "finish-counts",
        "mutation.7",
        "What an execution had not told is counted with its end.",
        replace(end, "count_spending", nothing_more),
    ),
    Mutation(
        "pause-is-lifted",
        "mutation.86",
        "A question ends by itself when its budget begins anew.",
        replace(pause, "take_answer", nothing_more),
    ),
    Mutation(
        "quota-refuses", "mutation.122", "What ran into a limit is not given to that worker before its end."
    ),
)
