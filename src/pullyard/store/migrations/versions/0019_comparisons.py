"""Schema 0019: comparisons."""

from pullyard.store.migrations import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_script("0019_comparisons.sql")
