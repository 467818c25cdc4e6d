"""What other queues do on this machine: start of a job, jobs a second, size of the worker."""

from bench.figures import Figure, not_measured, percentile_ms
from bench.peers import PEERS, NotInstalled, Peer, measured
from bench.stage import Stage


def measure(stage: Stage) -> list[Figure]:
    return [figure for peer in PEERS for figure in of_peer(stage, peer)]


def of_peer(stage: Stage, peer: Peer) -> list[Figure]:
    try:
        found = measured(stage, peer)
    except NotInstalled as missing:
        return [not_measured(peer.name, str(missing))]
    said = f"{peer.conditions}; 10 slots"
    return [
        Figure(f"{peer.name}: start, p50", percentile_ms(found.starts, 50), "ms", conditions=said),
        Figure(f"{peer.name}: start, p99", percentile_ms(found.starts, 99), "ms", conditions=said),
        Figure(f"{peer.name}: jobs that do nothing", found.rate, "/s", conditions=said),
        Figure(f"{peer.name}: worker's resident set", found.resident, "MiB", conditions=said),
    ]
