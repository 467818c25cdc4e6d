"""Run as a program of its own: a worker of one sandbox, with nothing but the standard library.

``once`` runs one command with a served port in a fresh sandbox and prints what it saw as JSON;
``hang`` leaves a command running, prints the ids of the processes it has, and waits to be killed.
"""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Command, SandboxSpec, Workspace

SCRIPT = """
cat greeting; echo new >made; rm greeting; id -u
/usr/bin/python3 -c "import socket; print(socket.create_connection(('127.0.0.1', 8080)).recv(9).decode())"
"""


async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"served")
    writer.close()


async def once(sandbox: Bubblewrap) -> None:
    reader, output = os.pipe()
    process = await sandbox.start(Command(["sh", "-c", SCRIPT], stdout=output, listen_port=8080))
    os.close(output)
    listener = socket.socket(fileno=process.listener)
    listener.settimeout(0)
    async with await asyncio.start_server(serve, sock=listener):
        code = await process.wait()
    printed = os.read(reader, 4096).decode()
    upper = sandbox.spec.workspace.upper
    await sandbox.destroy()
    measured = await probe(Bubblewrap)
    leaks = [name for name, held in measured.escapes.items() if not held]
    made = (upper / "made").read_text()
    print(json.dumps({"code": code, "printed": printed, "made": made, "leaks": leaks}))  # noqa: T201


async def hang(sandbox: Bubblewrap) -> None:
    process = await sandbox.start(Command(["sh", "-c", "setsid sleep 600 & exec sleep 600"]))
    init = json.loads(process.status.text.splitlines()[0])["child-pid"]
    assert sandbox.mounts.holder
    print(json.dumps([sandbox.mounts.holder.id, process.outer.id, init]), flush=True)  # noqa: T201
    await process.wait()


async def main(what: str, place: Path) -> None:
    uid = int(sys.argv[3]) if len(sys.argv) > 3 else None
    layers = [place / name for name in ("upper", "work", "lower")]
    for layer in layers:
        layer.mkdir()
        if uid is not None:
            os.chown(layer, uid, uid)
    (layers[2] / "greeting").write_text("hello\n")
    sandbox = Bubblewrap(SandboxSpec(Workspace(*layers), uid=uid))
    await sandbox.provision()
    await {"once": once, "hang": hang}[what](sandbox)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
