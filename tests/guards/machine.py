"""What keeps sandboxes from the machine and from one another."""

from tests.guards.guard import MACHINE, Guard

CONTAINER = "sandboxes/docker/container.py"

GUARDS = (
    Guard(
        "bubblewrap's control groups",
        "sandboxes/cgroups/group.py",
        "        for _, directory in self.opened:\n            # Without it",
        "        for _, directory in ():\n            # Without it",
        MACHINE,
        "(beside_one or memory_ends) and bubblewrap",
    ),
    Guard(
        "the meter of disks",
        "sandboxes/disk_meter.py",
        "        while self.most != (None, None):",
        "        while not self.most:",
        MACHINE,
        "full_disk and bubblewrap or many_files and docker",
    ),
    Guard(
        "bubblewrap's process namespace",
        "sandboxes/bubblewrap.py",
        '"--unshare-all", ',
        '"--unshare-ipc", "--unshare-net", "--unshare-uts", ',
        MACHINE,
        "neither and bubblewrap",
    ),
    Guard(
        "a container's process namespace",
        CONTAINER,
        '"IpcMode": "private"',
        '"PidMode": "host", "IpcMode": "private"',
        MACHINE,
        "neither and docker",
    ),
    Guard(
        "the filter of system calls",
        "sandboxes/bubblewrap.py",
        '                *("--seccomp", str(rules)),\n',
        "",
        "tests/security/test_sandbox_calls.py",
        "named_call or everyday",
    ),
    Guard(
        "a container's bound on processes",
        CONTAINER,
        '"PidsLimit": limits.processes',
        '"PidsLimit": 0',
        MACHINE,
        "fork_bomb and docker",
    ),
    Guard(
        "a container's bound on memory",
        CONTAINER,
        "    memory = limits.memory_bytes or 0",
        "    memory = 0",
        MACHINE,
        "memory_ends and docker",
    ),
    Guard(
        "no new privileges in containers",
        CONTAINER,
        '"SecurityOpt": ["no-new-privileges"]',
        '"SecurityOpt": []',
        MACHINE,
        "way_out and docker",
    ),
    Guard(
        "an environment made from nothing",
        "sandboxes/bubblewrap.py",
        '    setting = ["--clearenv"]',
        "    setting = []",
        "tests/conformance/test_sandbox.py " + MACHINE,
        "(environment or way_out) and bubblewrap",
    ),
)
