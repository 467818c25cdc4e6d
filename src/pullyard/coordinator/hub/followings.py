"""What the connections of one replica share."""

from dataclasses import dataclass

from pullyard.coordinator.hub.event_fanout import EventFanout
from pullyard.coordinator.hub.log_blocks import LogBlocks
from pullyard.coordinator.hub.log_fanout import LogFanout
from pullyard.coordinator.hub.watched import Watched
from pullyard.coordinator.services import Services


@dataclass(frozen=True)
class Followings:
    services: Services
    events: EventFanout
    logs: LogFanout
    blocks: LogBlocks
    watched: Watched
