"""Schema 0012: budgets."""

from pullyard.store.migrations import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script("0012_budgets.sql")
