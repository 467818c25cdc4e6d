"""Schema 0009: isolation."""

from pullyard.store.migrations import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("0009_isolation.sql")
