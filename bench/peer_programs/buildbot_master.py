"""Buildbot's configuration: one worker with ten slots, and a scheduler that asks for all builds at once."""

import os

from buildbot.plugins import steps, util, worker
from buildbot.schedulers.base import BaseScheduler
from twisted.internet import defer, reactor


class Burst(BaseScheduler):
    @defer.inlineCallbacks
    def activate(self):
        yield super().activate()
        reactor.callLater(5, self.ask)

    @defer.inlineCallbacks
    def ask(self):
        for _ in range(int(os.environ["BENCH_BUILDS"])):
            yield self.addBuildsetForSourceStamps(sourcestamps=[{"codebase": ""}], reason="bench")


touch = steps.ShellCommand(command=["sh", "-c", f"printf . >> {os.environ['BENCH_FILE']}"])
factory = util.BuildFactory([touch])
BuildmasterConfig = {
    "workers": [worker.Worker("worker", "secret", max_builds=10)],
    "protocols": {"pb": {"port": f"tcp:{os.environ['BENCH_PORT']}:interface=127.0.0.1"}},
    "builders": [util.BuilderConfig(name=f"b{n}", workernames=["worker"], factory=factory) for n in range(1)],
    "schedulers": [Burst(name="burst", builderNames=["b0"])],
    "db": {"db_url": "sqlite:///state.sqlite"},
    # Requests that look alike would be answered by one build.
    "collapseRequests": False,
    "buildbotNetUsageData": None,
    "title": "bench",
    "titleURL": "http://127.0.0.1/",
    "buildbotURL": "http://127.0.0.1/",
}
