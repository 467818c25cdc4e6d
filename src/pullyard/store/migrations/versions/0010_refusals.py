"""Schema 0010: refusals."""

from pullyard.store.migrations import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("0010_refusals.sql")
