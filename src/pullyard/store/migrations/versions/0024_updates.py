"""Schema 0024: changes that are brought up to date."""

from pullyard.store.migrations import run_script

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_script("0024_updates.sql")
