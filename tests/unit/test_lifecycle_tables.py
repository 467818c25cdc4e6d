"""The transition tables: nothing is a trap, nothing leaves what is final, and guards say the same."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from pullyard.lifecycle.automation import AUTOMATION_TRANSITIONS, AutomationState
from pullyard.lifecycle.change import CHANGE_TRANSITIONS, ChangeState
from pullyard.lifecycle.execution import (
    EXECUTION_TRANSITIONS,
    FINAL_EXECUTION_STATES,
    LIVE_EXECUTION_STATES,
    PHASE_EVENTS,
    PHASE_STATES,
    ExecutionEvent,
    ExecutionState,
    Phase,
)
from pullyard.lifecycle.machine import IllegalTransition, allowed_events, mermaid, sources, step
from pullyard.lifecycle.reasons import REASONS, Reason
from pullyard.lifecycle.task import FINAL_TASK_STATES, TASK_TRANSITIONS, TaskEvent, TaskState
from pullyard.lifecycle.worker import WORKER_TRANSITIONS, WorkerState

Table = Mapping[tuple[Any, Any], Any]
# Where each machine begins, and the states that are its ends.
MACHINES: dict[str, tuple[Table, type[StrEnum], set[StrEnum], set[StrEnum]]] = {
    "task": (
        TASK_TRANSITIONS,
        TaskState,
        {TaskState.PENDING, TaskState.QUEUED},
        set(FINAL_TASK_STATES),
    ),
    "execution": (
        EXECUTION_TRANSITIONS,
        ExecutionState,
        {ExecutionState.ASSIGNED},
        set(FINAL_EXECUTION_STATES),
    ),
    "change": (CHANGE_TRANSITIONS, ChangeState, {ChangeState.OPEN}, {ChangeState.MERGED, ChangeState.CLOSED}),
    "worker": (WORKER_TRANSITIONS, WorkerState, {WorkerState.OFFLINE}, {WorkerState.OFFLINE}),
    "automation": (
        AUTOMATION_TRANSITIONS,
        AutomationState,
        {AutomationState.STOPPED},
        {AutomationState.STOPPED},
    ),
}
every_machine = pytest.mark.parametrize("name", MACHINES)


def reachable(table: Table, start: StrEnum) -> set[StrEnum]:
    found, fresh = {start}, [start]
    while fresh:
        state = fresh.pop()
        following = {target for (origin, _), target in table.items() if origin == state} - found
        found |= following
        fresh += following
    return found


@every_machine
def test_every_state_is_reached_from_the_start(name: str) -> None:
    table, states, starts, _ = MACHINES[name]
    assert set().union(*(reachable(table, start) for start in starts)) == set(states)


@every_machine
def test_every_state_leads_to_an_end(name: str) -> None:
    table, states, _, ends = MACHINES[name]
    assert [state for state in states if not reachable(table, state) & ends] == []


@every_machine
def test_the_guard_of_an_update_names_exactly_the_states_of_the_table(name: str) -> None:
    table, states, _, _ = MACHINES[name]
    for event in {event for _, event in table}:
        for state in states:
            assert (state in sources(table, event)) == (event.value in allowed_events(table, state))


@every_machine
def test_the_picture_shows_every_row_of_the_table(name: str) -> None:
    table = MACHINES[name][0]
    assert mermaid(table).count("-->") == len({(*key, target) for key, target in table.items()})


def test_what_is_final_for_an_execution_or_a_change_stays_so() -> None:
    for name in ("execution", "change"):
        table, _, _, ends = MACHINES[name]
        assert not [origin for origin, _ in table if origin in ends]


def test_a_task_leaves_its_end_only_by_a_retry() -> None:
    events = {event for origin, event in TASK_TRANSITIONS if origin in FINAL_TASK_STATES}
    assert events == {TaskEvent.RETRY}
    assert not allowed_events(TASK_TRANSITIONS, TaskState.COMPLETED)


def test_every_live_execution_can_end_by_every_reason() -> None:
    for state in LIVE_EXECUTION_STATES:
        for reason in Reason:
            target = step("execution", EXECUTION_TRANSITIONS, state, REASONS[reason].ends_as)
            assert target in FINAL_EXECUTION_STATES


def test_the_phases_follow_each_other_in_one_line() -> None:
    state = ExecutionState.ASSIGNED
    for phase in Phase:
        assert sources(EXECUTION_TRANSITIONS, PHASE_EVENTS[phase]) - {ExecutionState.WAITING_INPUT} == {state}
        state = step("execution", EXECUTION_TRANSITIONS, state, PHASE_EVENTS[phase])
        assert state is PHASE_STATES[phase]
    assert state is ExecutionState.PUBLISHING


def test_an_answer_leads_back_into_every_phase_that_may_ask() -> None:
    asking = sources(EXECUTION_TRANSITIONS, ExecutionEvent.ASK)
    assert asking
    for phase in Phase:
        back = (ExecutionState.WAITING_INPUT, PHASE_EVENTS[phase])
        assert (EXECUTION_TRANSITIONS.get(back) is PHASE_STATES[phase]) == (PHASE_STATES[phase] in asking)


def test_an_illegal_step_names_what_would_be_legal() -> None:
    words = "possible now: answer, cancel, fail, hold, requeue"
    with pytest.raises(IllegalTransition, match=words) as caught:
        step("task", TASK_TRANSITIONS, TaskState.WAITING, TaskEvent.CLAIM)
    assert caught.value.allowed == ["answer", "cancel", "fail", "hold", "requeue"]
    with pytest.raises(IllegalTransition, match="the state is final"):
        step("task", TASK_TRANSITIONS, TaskState.COMPLETED, TaskEvent.CANCEL)
