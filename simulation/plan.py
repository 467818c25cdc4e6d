"""What a seed stands for: the projects, tasks, workers and faults of one history."""

import random
from dataclasses import dataclass

from simulation.network import FAIR, Weather

WEATHERS = (
    FAIR,
    Weather(lost=0.05, answer_lost=0.05, doubled=0.05, slow=0.05),
    Weather(answer_lost=0.3),
    Weather(doubled=0.3, slow=0.2, slow_seconds=20.0),
    Weather(lost=0.2, answer_lost=0.1, slow=0.1, slow_seconds=40.0),
    Weather(stale=0.5, doubled=0.1),
)
FAULTS = (
    "kill-worker",
    "kill-worker",
    "pause-worker",
    "pause-worker",
    "cut-worker",
    "cut-worker",
    "wipe-worker",
    "drain-worker",
    "kill-coordinator",
    "kill-coordinator",
    "pause-coordinator",
    "database-away",
    "cancel-task",
    "retry-task",
)
FAULTS_END_SECONDS = 120.0


@dataclass(frozen=True)
class Fault:
    kind: str
    at: float
    seconds: float
    target: int
    """Which of them, counted round."""


@dataclass(frozen=True)
class PlannedTask:
    project: int
    at: float
    priority: int
    member: int | None
    label: bool
    waits_for: int | None
    cancelled_after: float | None
    """Seconds after it was made, in the moment that it may be claimed."""


@dataclass(frozen=True)
class Plan:
    seed: str
    limits: tuple[int, ...]
    """One project each."""
    member_limits: tuple[int | None, ...]
    slots: tuple[int, ...]
    """One worker each; the first has the label that some tasks ask for."""
    replicas: int
    tasks: tuple[PlannedTask, ...]
    weather: Weather
    faults: tuple[Fault, ...]
    max_running: int
    max_tries: int
    forge_slow: float
    forge_unreachable: float
    skew: float
    interruption_seconds: float
    """How long a statement may wait between what it sees and what it locks."""


def make_plan(seed: str) -> Plan:
    dice = random.Random(seed)
    limits = tuple(dice.choice((1, 1, 2)) for _ in range(dice.choice((1, 1, 2))))
    members = tuple(dice.choice((None, 1)) for _ in range(2))
    tasks: list[PlannedTask] = []
    for number in range(dice.choice((1, 2, 2, 3, 4))):
        project = dice.randrange(len(limits))
        earlier = [one for one in range(number) if tasks[one].project == project]
        tasks.append(
            PlannedTask(
                project,
                at=dice.choice((0.0, 0.0, dice.random() * 60)),
                priority=dice.randrange(3),
                member=dice.choice((None, 0, 1)),
                label=dice.random() < 0.2,
                waits_for=dice.choice(earlier) if earlier and dice.random() < 0.25 else None,
                cancelled_after=dice.random() * 0.3 if dice.random() < 0.1 else None,
            )
        )
    faults = sorted(
        (
            Fault(
                dice.choice(FAULTS),
                at=dice.choice((dice.random() * 15, dice.random() * FAULTS_END_SECONDS)),
                seconds=dice.choice((0.5, 5.0, 20.0, 45.0, 90.0)) * (0.5 + dice.random()),
                target=dice.randrange(6),
            )
            for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 5)))
        ),
        key=lambda fault: fault.at,
    )
    return Plan(
        seed=seed,
        limits=limits,
        member_limits=members,
        slots=tuple(dice.choice((1, 1, 2)) for _ in range(dice.choice((1, 2, 2, 3)))),
        replicas=dice.choice((1, 1, 2)),
        tasks=tuple(tasks),
        weather=dice.choice(WEATHERS),
        faults=tuple(faults),
        max_running=dice.choice((1, 2, 5)),
        max_tries=dice.choice((1, 2, 3)),
        forge_slow=dice.choice((0.0, 0.0, 0.3)),
        forge_unreachable=dice.choice((0.0, 0.0, 0.1)),
        skew=dice.choice((0.0, 0.01)),
        interruption_seconds=dice.choice((0.02, 0.02, 0.5, 2.0)),
    )
