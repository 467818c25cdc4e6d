"""What a real execution does at each kind of node."""

from pullyard.lifecycle.workflows import NodeKind
from pullyard.worker.approval import wait_for_approval
from pullyard.worker.bring_in import commit_merge
from pullyard.worker.command_gate import gate
from pullyard.worker.command_node import run_command_node
from pullyard.worker.implement import implement
from pullyard.worker.initialize import initialize
from pullyard.worker.prepare import prepare, reopen
from pullyard.worker.publish import publish
from pullyard.worker.rescue import rescue
from pullyard.worker.verify import verify
from pullyard.worker.walk import Effects

EFFECTS = Effects(
    handlers={
        NodeKind.PREPARE: prepare,
        NodeKind.AGENT: implement,
        NodeKind.MERGE: commit_merge,
        NodeKind.DETECT: initialize,
        NodeKind.COMMAND: run_command_node,
        NodeKind.VERIFY: verify,
        NodeKind.APPROVAL: wait_for_approval,
        NodeKind.PUBLISH: publish,
    },
    gate=gate,
    reopen=reopen,
    rescue=rescue,
)
