"""What makes one choice of several candidates, and lets nothing else be gone on with."""

from tests.guards.guard import Guard

COMPARISONS = "tests/integration/test_comparisons.py"
DECIDE = "coordinator/comparisons/decide.py"
GUARDS = (
    Guard(
        "the choice before the merge",
        "coordinator/changes/errands.py",
        "        await check_chosen(connection, change.task_id)",
        "        pass",
        COMPARISONS,
        "one_is_chosen",
    ),
    Guard(
        "the lock around a choice",
        DECIDE,
        "    await lock_project(connection, tenant_id, row.project_id)",
        "    pass",
        COMPARISONS,
        "two_people",
    ),
    Guard(
        "the close of what was delivered after the choice",
        "coordinator/comparisons/hear.py",
        "        await close_others(connection, tenant_id, comparison_id, comparison.chosen_task_id)",
        "        pass",
        COMPARISONS,
        "others_are_stopped",
    ),
    Guard(
        "the choice before what depends on it",
        "store/queries/task_dependents.sql",
        "NOT one.undecided AND ",
        "",
        COMPARISONS,
        "waits_for_the_choice",
    ),
    Guard(
        "the draft until the choice",
        "worker/publish.py",
        "draft=rules.draft or grant.candidates > 0",
        "draft=rules.draft",
        "tests/acceptance/test_compare.py",
        "drafts_on_the_forge",
    ),
)
