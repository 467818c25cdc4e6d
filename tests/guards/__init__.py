"""The main guards of the sources, by what they protect; ``python -m tests.guards`` takes out one by one."""

from tests.guards import (
    comparisons,
    coordinator,
    feedback,
    harvest,
    machine,
    network,
    updates,
    webhooks,
    worker,
)

GUARDS = (
    *harvest.GUARDS,
    *machine.GUARDS,
    *network.GUARDS,
    *worker.GUARDS,
    *coordinator.GUARDS,
    *webhooks.GUARDS,
    *comparisons.GUARDS,
    *feedback.GUARDS,
    *updates.GUARDS,
)
