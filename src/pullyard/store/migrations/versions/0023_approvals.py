"""Schema 0023: approvals of changes."""

from pullyard.store.migrations import run_script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_script("0023_approvals.sql")
