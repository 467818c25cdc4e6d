"""Schema 0015: provider keys."""

from pullyard.store.migrations import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_script("0015_provider_keys.sql")
