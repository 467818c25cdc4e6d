"""Schema 0011: refused errands."""

from pullyard.store.migrations import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script("0011_refused_errands.sql")
