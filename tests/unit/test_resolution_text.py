"""What an agent is told of a failure that it is to mend."""

from types import SimpleNamespace

from pullyard.coordinator.automation.resolution import describe


def test_an_endless_message_still_makes_a_task() -> None:
    failed = SimpleNamespace(number=1, title="X", description="", acceptance_criteria=[])
    assert len(describe(failed, "agent_failed", "x" * 1_000_000, b"")) < 10_000
