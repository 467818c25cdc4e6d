"""Schema 0016: whose own key a task is run on."""

from pullyard.store.migrations import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_script("0016_key_member.sql")
