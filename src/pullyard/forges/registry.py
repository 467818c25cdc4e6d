"""The forges there are, by name."""

from pullyard.forges.bare import BareForge

FORGES: dict[str, type[BareForge]] = {"bare": BareForge}
