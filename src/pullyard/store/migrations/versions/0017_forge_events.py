"""Schema 0017: what happens on a forge."""

from pullyard.store.migrations import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_script("0017_forge_events.sql")
