"""Schema 0007: feed."""

from pullyard.store.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("0007_feed.sql")
