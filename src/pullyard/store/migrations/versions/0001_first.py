"""The first schema."""

from pullyard.store.migrations import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script("0001_first.sql")
