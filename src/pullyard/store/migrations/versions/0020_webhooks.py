"""Schema 0020: webhooks of forges."""

from pullyard.store.migrations import run_script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_script("0020_webhooks.sql")
