"""Schema 0008: costs."""

from pullyard.store.migrations import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script("0008_costs.sql")
