"""Schema 0022: conflicts of changes."""

from pullyard.store.migrations import run_script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_script("0022_conflicts.sql")
