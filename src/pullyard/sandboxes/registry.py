"""The sandboxes there are, by name."""

from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.protocol import Sandbox

SANDBOXES: dict[str, type[Sandbox]] = {"bubblewrap": Bubblewrap}
