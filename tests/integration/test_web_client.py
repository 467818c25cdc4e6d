"""The web interface's generated client fits the API."""

import json
from pathlib import Path

from pullyard.coordinator.app import create_app
from pullyard.coordinator.settings import CoordinatorSettings

DESCRIPTION = Path(__file__).parents[2] / "web/generate/openapi.json"


def test_the_client_was_generated_from_this_api() -> None:
    served = create_app(CoordinatorSettings()).openapi()
    assert json.loads(DESCRIPTION.read_text()) == json.loads(json.dumps(served)), "run scripts/web-client"
