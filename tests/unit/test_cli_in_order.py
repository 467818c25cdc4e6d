"""Logs of phases come out in the order of the phases, however they arrived."""

from pullyard.cli.in_order import InOrder
from pullyard.cli.watch import Printed


def piece(stream: str) -> Printed:
    return Printed("exec_1", stream, b"a line\n")


def test_a_later_phase_that_arrives_first_waits_for_the_first_phase() -> None:
    order = InOrder()
    early, first = piece("implement"), piece("prepare")
    assert order.add(early) + order.add(first) == []
    assert order.rest() == [first, early]


def test_the_first_phase_is_shown_at_once() -> None:
    first = piece("prepare")
    assert InOrder().add(first) == [first]
