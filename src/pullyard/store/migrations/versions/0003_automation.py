"""Schema 0003: automation."""

from pullyard.store.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("0003_automation.sql")
