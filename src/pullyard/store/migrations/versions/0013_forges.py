"""Schema 0013: changes on forges."""

from pullyard.store.migrations import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_script("0013_forges.sql")
