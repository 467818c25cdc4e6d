"""Schema 0006: intake."""

from pullyard.store.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("0006_intake.sql")
