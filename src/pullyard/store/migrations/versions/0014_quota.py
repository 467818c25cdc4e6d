"""Schema 0014: quota."""

from pullyard.store.migrations import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_script("0014_quota.sql")
