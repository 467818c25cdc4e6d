"""What keeps strangers' words, doubles and floods out of the answers to reviews."""

from tests.guards.guard import Guard

FORGES, ANSWERS = "tests/conformance/test_forges_feedback.py", "tests/integration/test_feedback.py"
SAID, HEARD = "forges/feedback.py", "coordinator/changes/feedback.py"
GUARDS = (
    Guard(
        "whose remarks are heard",
        SAID,
        "or is_ours(one.text) or not await trust.has(one.who):",
        "or is_ours(one.text):",
        FORGES,
        "strangers",
    ),
    Guard(
        "that our own words do not count",
        SAID,
        "or not text or is_ours(one.text) or not",
        "or not text or not",
        FORGES,
        "ours_or_resolved",
    ),
    Guard(
        "the bound on remarks",
        SAID,
        "if len(kept) == MOST_REMARKS or len(text) > room:",
        "if False:",
        FORGES,
        "floods",
    ),
    Guard(
        "who asks for work by a label",
        "forges/api_forge.py",
        "        return giver is not None and await trust.has(giver)",
        "        return giver is not None",
        FORGES,
        "labelled_issues",
    ),
    Guard(
        "that a remark is answered once",
        HEARD,
        "    new = [one for one in look.remarks if storable(one.key) not in row.known]",
        "    new = list(look.remarks)",
        ANSWERS,
        "not_repeated",
    ),
    Guard(
        "the commit that remarks are about",
        HEARD,
        "    if look.asked != row.commit:",
        "    if look.asked is None:",
        ANSWERS,
        "meanwhile",
    ),
    Guard(
        "somebody else's push",
        HEARD,
        "    if look.commit != row.commit:",
        "    if False:",
        ANSWERS,
        "somebody_moved",
    ),
    Guard(
        "the number of rounds",
        HEARD,
        "    elif row.rounds >= wish.rounds:",
        "    elif False:",
        ANSWERS,
        "some_rounds",
    ),
    Guard(
        "the wait for all that is said",
        HEARD,
        "    if seconds == 0 or (digest == row.feedback_digest and row.quiet_seconds >= seconds):",
        "    if True:",
        ANSWERS,
        "all_is_said",
    ),
    Guard(
        "that a remark stays a quotation",
        "coordinator/changes/review_text.py",
        'f"> {line}".rstrip() for line in harmless(remark.text).splitlines()',
        "line for line in remark.text.splitlines()",
        ANSWERS,
        "hostile",
    ),
    Guard(
        "an errand whose answer got lost",
        "store/queries/errands_claim.sql",
        "(request_id = ANY (CAST(:request_ids AS text[]))",
        "(request_id = ANY (CAST('{}' AS text[]))",
        "tests/integration/test_change_looks.py",
        "got_lost",
    ),
)
