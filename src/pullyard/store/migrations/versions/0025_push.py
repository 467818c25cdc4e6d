"""Schema 0025: messages to devices."""

from pullyard.store.migrations import run_script

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_script("0025_push.sql")
