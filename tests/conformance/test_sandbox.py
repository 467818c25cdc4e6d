"""What every sandbox does, whatever it is made of."""

import asyncio
import fcntl
import os
import socket
from pathlib import Path

import pytest

from pullyard.sandboxes.protocol import Command, Sandbox
from tests.sandbox_places import UID, first_line, run

SERVED = b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved"
FETCH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:{}/').read().decode())"


async def test_a_pipeline_runs_in_the_workspace(sandbox: Sandbox) -> None:
    assert await run(sandbox, "sh", "-c", "cat greeting | tr a-z A-Z") == (0, "HELLO\n")


async def test_the_exit_code_is_the_commands(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "sh", "-c", "exit 7"))[0] == 7


async def test_a_signal_ends_as_128_and_its_number(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "sh", "-c", "kill -TERM $$"))[0] == 143


async def test_a_missing_program_exits_127(sandbox: Sandbox) -> None:
    code, printed = await run(sandbox, "no-such-program")
    assert code == 127
    assert "no-such-program" in printed


async def test_arguments_are_words_and_never_shell_text(sandbox: Sandbox) -> None:
    words = ["a b", "$HOME", "`id`", "--", "'\"", "ü", ""]
    assert await run(sandbox, "printf", "%s|", *words) == (0, "|".join([*words, ""]))


async def test_the_environment_is_what_the_command_gives(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_SECRET", "canary")
    code, printed = await run(sandbox, "env", environment={"GIVEN": "one\ntwo"})
    names = {line.split("=")[0] for line in printed.splitlines() if "=" in line}
    assert code == 0
    assert "GIVEN=one\ntwo\n" in printed
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "LANG", "GIVEN"}


async def test_no_descriptor_of_the_worker_is_inherited(sandbox: Sandbox, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as opened:
        leak = fcntl.fcntl(opened, fcntl.F_DUPFD, 100)
    _, printed = await run(sandbox, "sh", "-c", "ls /proc/self/fd")
    os.close(leak)
    assert printed.split() == ["0", "1", "2", "3"], "the fourth is the directory that ls is reading"


async def test_streams_go_where_they_are_told(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("typed\n")
    with (tmp_path / "in").open() as typed, (tmp_path / "err").open("w+") as errors:
        code, printed = await run(
            sandbox, "sh", "-c", "cat; echo bad >&2", stdin=typed.fileno(), stderr=errors.fileno()
        )
        assert (code, printed, errors.seek(0), errors.read()) == (0, "typed\n", 0, "bad\n")


async def test_errors_join_the_output_unless_told_otherwise(sandbox: Sandbox) -> None:
    """In the order in which they were written: a test's last words belong behind what led to them."""
    many = "for i in 1 2 3 4 5 6 7 8; do echo out; echo bad >&2; done"
    assert await run(sandbox, "sh", "-c", many) == (0, "out\nbad\n" * 8)


async def test_standard_input_is_empty_unless_given(sandbox: Sandbox) -> None:
    assert await run(sandbox, "cat") == (0, "")


async def test_a_command_runs_where_it_is_told(sandbox: Sandbox) -> None:
    await run(sandbox, "mkdir", "deep")
    assert await run(sandbox, "pwd", directory=sandbox.inside("deep")) == (0, sandbox.inside("deep") + "\n")


async def test_inside_names_a_file_of_the_workspace(sandbox: Sandbox) -> None:
    assert await run(sandbox, "cat", sandbox.inside("greeting"), directory="/") == (0, "hello\n")


async def test_path_of_names_a_file_of_a_mount(sandbox: Sandbox) -> None:
    assert await run(sandbox, "cat", sandbox.path_of("/mirror/objects")) == (0, "packed\n")


async def test_changes_land_in_the_upper_directory(sandbox: Sandbox) -> None:
    await run(sandbox, "sh", "-c", "echo more >>greeting; echo new >made")
    upper = sandbox.spec.workspace.upper
    assert (upper / "greeting").read_text() == "hello\nmore\n"
    assert (upper / "made").read_text() == "new\n"
    assert (upper / "made").stat().st_uid == (UID or os.getuid())


async def test_the_next_command_sees_the_changes_of_the_last(sandbox: Sandbox) -> None:
    await run(sandbox, "sh", "-c", "rm greeting; echo new >made")
    assert await run(sandbox, "ls") == (0, "made\n")


async def test_commands_run_at_the_same_time_in_one_workspace(sandbox: Sandbox) -> None:
    await run(sandbox, "mkfifo", "pipe")
    reading = asyncio.create_task(run(sandbox, "cat", "pipe"))
    await run(sandbox, "sh", "-c", "echo across >pipe")
    assert await reading == (0, "across\n")


async def test_kill_ends_the_whole_group_at_once(sandbox: Sandbox) -> None:
    process, _ = await first_line(sandbox, "sh", "-c", "sleep 600 & echo started; wait")
    async with asyncio.timeout(60):
        await process.kill()
        assert await process.wait() == 137


async def test_kill_may_be_repeated_and_keeps_the_exit_code(sandbox: Sandbox) -> None:
    process = await sandbox.start(Command(["sh", "-c", "exit 4"]))
    assert await process.wait() == 4
    await process.kill()
    await process.kill()
    assert await process.wait() == 4


async def test_several_may_wait_for_one_command(sandbox: Sandbox) -> None:
    process, _ = await first_line(sandbox, "sh", "-c", "echo up; exec sleep 600")
    waiting = [asyncio.create_task(process.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    await process.kill()
    assert await asyncio.gather(*waiting) == [137, 137, 137]


async def test_what_runs_in_the_background_ends_with_the_command(sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    process = await sandbox.start(Command(["sh", "-c", "sleep 600 &"], stdout=writer))
    os.close(writer)
    await process.wait()
    with os.fdopen(reader, "rb") as printed:
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(printed.read) == b"", "nobody holds the output open"


async def test_a_port_inside_is_served_from_outside(sandbox: Sandbox) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SERVED)
        writer.close()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reader, writer = os.pipe()
    fetch = Command(["/usr/bin/python3", "-c", FETCH.format(port)], stdout=writer, listen_port=port)
    process = await sandbox.start(fetch)
    os.close(writer)
    assert process.listener is not None
    listener = socket.socket(fileno=process.listener)
    listener.settimeout(0)
    async with await asyncio.start_server(serve, sock=listener):
        assert await process.wait() == 0
    with os.fdopen(reader, "rb") as printed:
        assert printed.read() == b"served\n"


async def test_destroy_ends_every_command_and_may_be_repeated(sandbox: Sandbox) -> None:
    processes = [await sandbox.start(Command(["sleep", "600"])) for _ in range(3)]
    async with asyncio.timeout(60):
        await sandbox.destroy()
        await sandbox.destroy()
        assert [await process.wait() for process in processes] == [137, 137, 137]


async def test_the_workspace_outlives_the_sandbox(sandbox: Sandbox) -> None:
    await run(sandbox, "sh", "-c", "echo kept >made")
    await sandbox.destroy()
    assert (sandbox.spec.workspace.upper / "made").read_text() == "kept\n"


async def test_a_sandbox_may_be_destroyed_before_it_was_provisioned(sandbox: Sandbox) -> None:
    unused = type(sandbox)(sandbox.spec)
    await unused.destroy()
    assert unused.spec.workspace.upper.exists()
