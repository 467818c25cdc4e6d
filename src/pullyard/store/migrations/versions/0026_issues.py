"""Schema 0026: what came of looks for issues."""

from pullyard.store.migrations import run_script

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_script("0026_issues.sql")
