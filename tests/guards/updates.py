"""What keeps a change whole while the coordinator brings it up to date by itself."""

from tests.guards.guard import Guard

RULE, RUN = "tests/integration/test_change_updates.py", "tests/acceptance/test_change_updates.py"
GUARDS = (
    Guard(
        "the number of updates",
        "coordinator/changes/update.py",
        "    if change.updates >= ForgeEventSettings.model_validate(change.forge_events).rounds:",
        "    if False:",
        RULE,
        "some_times",
    ),
    Guard(
        "that only the same files are updated for",
        "coordinator/changes/update.py",
        """ if one["shares"]]""",
        "]",
        RULE,
        "shares_files",
    ),
    Guard(
        "that no merge is forgotten for a later one",
        "store/queries/changes_fall_behind.sql",
        "array_append(c.behind, merged.id)",
        "ARRAY[merged.id]",
        RULE,
        "some_times",
    ),
    Guard(
        "that no conflict is published",
        "worker/take_work.py",
        "    await check_solved(context, copy, work.commit)\n",
        "",
        RUN,
        "stays_as_it_was",
    ),
    Guard(
        "that a person is told of a change that could not be updated",
        "coordinator/tasks/end.py",
        "        await tell_not_updated(connection, task)\n",
        "",
        RULE,
        "failed_update",
    ),
)
