"""Speaks the Agent Client Protocol with an agent in the sandbox, and says what it does, as JSON lines.

Its own Python runs this, beside the agent, whose words never reach the worker but through here.
"""

import asyncio
import json
import os
import sys
import traceback

from acp import PROTOCOL_VERSION, RequestError, spawn_agent_process, text_block
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    Implementation,
    RequestPermissionResponse,
)

LINE_BYTES = 16 << 20
FINISHED = ("completed", "failed")


def tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}, default=str) + "\n")
    sys.stdout.flush()


class Told:
    """What the agent's session says. Its pieces of text are put together."""

    def __init__(self, closed):
        self.closed = closed
        self.said = {"message": "", "thought": ""}
        self.calls = {}

    def on_connect(self, conn):
        """Nothing is asked of the agent from here."""

    def flush(self) -> None:
        for event, text in self.said.items():
            if text:
                self.said[event] = ""
                tell(event, text=text)

    async def session_update(self, session_id, update, **_):  # noqa: ARG002
        told = update.model_dump(mode="json", by_alias=True, exclude_none=True)
        kind = told.get("sessionUpdate")
        if kind in ("agent_message_chunk", "agent_thought_chunk"):
            event, other = ("message", "thought") if kind == "agent_message_chunk" else ("thought", "message")
            if self.said[other]:
                self.flush()
            self.said[event] += told["content"].get("text", "")
            return
        self.flush()
        if kind in ("tool_call", "tool_call_update"):
            self.tool(told)
        elif kind == "plan":
            marks = {"completed": "x", "in_progress": "~"}
            lines = [f"- [{marks.get(one['status'], ' ')}] {one['content']}" for one in told["entries"]]
            tell("plan", text="\n".join(lines))

    def tool(self, told) -> None:
        call = told["toolCallId"]
        known = self.calls.setdefault(call, {"told": False})
        known |= {key: told[key] for key in ("title", "kind", "rawInput") if told.get(key)}
        given = known.get("rawInput") or {}
        # The first word of a call may come before what it is called with.
        whole = isinstance(given, dict) and bool(given.keys() - {"cwd", "description"})
        if not known["told"] and (whole or told.get("status") in FINISHED):
            known["told"] = True
            titled = {"description": known.get("title")}
            tell("call", id=call, tool=known.get("kind") or "tool", input=given or titled)
        if told.get("status") in FINISHED:
            parts = told.get("content") or []
            for part in parts:
                if part["type"] == "diff":
                    tell("edited", id=call, path=part["path"], old=part.get("oldText"), new=part["newText"])
            texts = [part["content"].get("text", "") for part in parts if part["type"] == "content"]
            tell("result", id=call, text="\n".join(texts), failed=told["status"] == "failed")

    async def request_permission(self, session_id, tool_call, options, **_):  # noqa: ARG002
        """The sandbox is around all that it may do, but for what can't work in one."""
        wanted = "reject_once" if tool_call.kind in self.closed else "allow_once"
        kinds = [wanted, wanted.replace("_once", "_always")]
        chosen = next((one for kind in kinds for one in options if one.kind == kind), None)
        if wanted == "reject_once":
            tell("note", text=f"Refused: {tool_call.title}", failed=True)
        if chosen is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", optionId=chosen.option_id)
        )


async def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    told = Told(job["closed"])
    place = os.getcwd()
    process = spawn_agent_process(
        told,
        *sys.argv[2:],
        env=dict(os.environ),
        cwd=place,
        transport_kwargs={"limit": LINE_BYTES, "stderr": None},
    )
    async with process as (agent, _):
        # The agent works in the sandbox itself: files and terminals are not lent to it.
        await agent.initialize(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=ClientCapabilities(),
            client_info=Implementation(name="pullyard", version="1"),
        )
        session = await agent.new_session(cwd=place, mcp_servers=[])
        answer = await agent.prompt(session_id=session.session_id, prompt=[text_block(job["prompt"])])
        told.flush()
        usage = answer.usage.model_dump() if answer.usage else {}
        tell("total", input_tokens=usage.get("input_tokens"), output_tokens=usage.get("output_tokens"))
    if answer.stop_reason != "end_turn":
        tell("error", text=f"It stopped: {answer.stop_reason}.")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except RequestError as error:
        tell("error", text=f"{error} {json.dumps(error.data)}" if error.data else str(error))
        sys.exit(1)
    except Exception as error:  # noqa: BLE001
        tell("error", text=str(error) or type(error).__name__)
        traceback.print_exception(error, limit=3, chain=False)
        sys.exit(1)
