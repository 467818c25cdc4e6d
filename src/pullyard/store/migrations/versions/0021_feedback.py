"""Schema 0021: what forges say against changes, and issues that are wishes for work."""

from pullyard.store.migrations import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_script("0021_feedback.sql")
