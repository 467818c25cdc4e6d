"""Speaks the Agent Client Protocol with an agent in the sandbox, and says what it does, as JSON lines.

Its own Python runs this, beside the agent, whose words never reach the worker but through here.
"""

import asyncio
import difflib
import json
import os
import sys
import traceback

import sessions
from acp import PROTOCOL_VERSION, RequestError, spawn_agent_process, text_block
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    Implementation,
    RequestPermissionResponse,
)
from permissions import APPROVE, REJECT, Permissions, Wish

from pullyard.lifecycle.tool_routing import Verdict

LINE_BYTES = 16 << 20
COMPARED_CHARACTERS = 64 << 10
"""Of a file before and after."""
MOST_PROMPTS = 20
"""Of a session: some agents end their turn where they are refused something, or the provider is busy."""
BUSY = '"http_status_code": 429'
LONGEST_SECONDS = 30
FINISHED = ("completed", "failed")
KEPT = ("title", "kind", "rawInput", "content")
CHUNKS = {"agent_message_chunk": "message", "agent_thought_chunk": "thought"}
BEGUN_EARLIER = (
    "\n\n# What was begun\n\nAn earlier session of yours began this task and ended when a person was asked. "
    "What it left is in the working directory: look at that first.\n"
)


def tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}, default=str) + "\n")
    sys.stdout.flush()


class Told:
    """What the agent's session says. Its pieces of text are put together."""

    def __init__(self, permissions, *, titled):
        self.permissions = permissions
        self.titled = titled
        self.agent = None
        self.muted = False
        self.asked = None
        self.refused = ""
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
        if self.muted:
            # A session that is gone on with is told anew, and was told before.
            return
        told = update.model_dump(mode="json", by_alias=True, exclude_none=True)
        kind = told.get("sessionUpdate")
        if kind in (*CHUNKS, "tool_call"):
            # It goes on.
            self.refused = ""
        if kind in CHUNKS:
            self.piece(CHUNKS[kind], told["content"].get("text", ""))
            return
        self.flush()
        if kind in ("tool_call", "tool_call_update"):
            self.tool(told)
        elif kind == "plan":
            marks = {"completed": "x", "in_progress": "~"}
            lines = [f"- [{marks.get(one['status'], ' ')}] {one['content']}" for one in told["entries"]]
            tell("plan", text="\n".join(lines))

    def piece(self, event, text) -> None:
        if any(said for other, said in self.said.items() if other != event):
            self.flush()
        self.said[event] += text

    def tool(self, told) -> None:
        call = told["toolCallId"]
        known = self.known(call, told)
        finished = told.get("status") in FINISHED
        given = known.get("rawInput") or {}
        # The first word of a call may come before what it is called with.
        whole = isinstance(given, dict) and bool(given.keys() - {"cwd", "description"})
        if not known["told"] and (whole or finished):
            known["told"] = True
            titled = {"description": known.get("title")}
            tell("call", id=call, tool=known.get("kind") or "tool", input=given or titled)
        if finished:
            tell_result(call, told)

    def known(self, call, told):
        """All that was said of this call so far."""
        known = self.calls.setdefault(call, {"told": False})
        known |= {key: told[key] for key in KEPT if told.get(key)}
        return known

    async def request_permission(self, session_id, tool_call, options, **_):
        told = tool_call.model_dump(mode="json", by_alias=True, exclude_none=True)
        wish = wish_of(self.known(tool_call.tool_call_id, told), titled=self.titled)
        verdict, why = self.permissions.judge(wish)
        if verdict is Verdict.ASK or self.asked is not None:
            await self.ask(session_id, wish, why)
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        if verdict is Verdict.DENY:
            self.refused = f"This is not allowed here, and was not done: {wish.title}\n{why}"
            tell("note", text=f"Refused: {wish.title} ({why})", failed=True)
        kinds = (
            ("reject_once", "reject_always") if verdict is Verdict.DENY else ("allow_once", "allow_always")
        )
        chosen = next((one for kind in kinds for one in options if one.kind == kind), None)
        if chosen is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", optionId=chosen.option_id)
        )

    async def ask(self, session_id, wish, why) -> None:
        """The agent ends here; another instance goes on once there is an answer."""
        if self.asked is None:
            self.asked = wish.shown
            tell(
                "question",
                text=f"May the agent do this? {why[:200]}\n{wish.shown}",
                choices=[APPROVE, REJECT],
            )
            await self.agent.cancel(session_id=session_id)


def wish_of(known, *, titled) -> Wish:
    parts = [part for part in known.get("content") or [] if part["type"] == "diff"]
    diffs = tuple((part["path"], part["newText"]) for part in parts)
    kind, title = known.get("kind") or "other", known.get("title") or ""
    return Wish(kind, title, known.get("rawInput"), diffs, titled)


def tell_result(call, told) -> None:
    parts = told.get("content") or []
    for part in parts:
        if part["type"] == "diff":
            tell("diff", id=call, text=diff_of(part["path"], part.get("oldText") or "", part["newText"]))
    texts = [part["content"].get("text", "") for part in parts if part["type"] == "content"]
    tell("result", id=call, text="\n".join(texts), failed=told["status"] == "failed")


def diff_of(path: str, old: str, new: str) -> str:
    """Made here: some lines take long to compare, which the sandbox may spend and not the worker."""
    lines = difflib.unified_diff(
        old[:COMPARED_CHARACTERS].splitlines(),
        new[:COMPARED_CHARACTERS].splitlines(),
        path,
        path,
        lineterm="",
    )
    return "\n".join(lines)


async def begin(agent, told, job, held) -> tuple[str, str]:
    """The session to work in, and what to say in it first."""
    place = os.getcwd()
    # The agent works in the sandbox itself: files and terminals are not lent to it.
    hello = await agent.initialize(
        protocol_version=PROTOCOL_VERSION,
        client_capabilities=ClientCapabilities(),
        client_info=Implementation(name="pullyard", version="1"),
    )
    can_load = hello.agent_capabilities is not None and hello.agent_capabilities.load_session
    if held.get("files") and can_load:
        told.muted = True
        try:
            sessions.unpack(held["files"])
            await agent.load_session(cwd=place, session_id=held["id"], mcp_servers=[], **job["opened_with"])
            return held["id"], answered(held["asked"], job["answer"])
        except RequestError as error:
            tell("note", text=f"The session can't be gone on with, and is begun anew: {error}")
        finally:
            told.muted = False
    session = await agent.new_session(cwd=place, mcp_servers=[], **job["opened_with"])
    return session.session_id, job["prompt"] + (BEGUN_EARLIER if held else "")


def answered(asked, answer) -> str:
    if answer == APPROVE:
        return f"A person allows this, which you asked leave for:\n\n{asked}\n\nDo exactly that, then go on."
    return f"A person does not allow this:\n\n{asked}\n\nFind another way, or say that there is none."


async def converse(agent, told, session_id, prompt):
    """How the last turn ended."""
    for number in range(MOST_PROMPTS):
        told.refused = ""
        try:
            answer = await agent.prompt(session_id=session_id, prompt=[text_block(prompt)])
        except RequestError as error:
            if BUSY not in json.dumps(error.data) or number == MOST_PROMPTS - 1:
                raise
            tell("note", text="The provider is busy, and is asked again.")
            await asyncio.sleep(min(2**number - 1, LONGEST_SECONDS))
            prompt = "Go on."
            continue
        if told.asked is not None or not told.refused:
            break
        prompt = f"{told.refused}\n\nFind another way, or say that there is none."
    return answer


async def work(job, held, told) -> int:
    process = spawn_agent_process(
        told,
        *sys.argv[2:],
        env=dict(os.environ),
        cwd=os.getcwd(),
        transport_kwargs={"limit": LINE_BYTES, "stderr": None},
    )
    async with process as (agent, _):
        told.agent = agent
        session_id, prompt = await begin(agent, told, job, held)
        if job["mode"]:
            await agent.set_session_mode(session_id=session_id, mode_id=job["mode"])
        answer = await converse(agent, told, session_id, prompt)
        told.flush()
        usage = answer.usage.model_dump() if answer.usage else {}
        tell("total", input_tokens=usage.get("input_tokens"), output_tokens=usage.get("output_tokens"))
    if told.asked is not None:
        keep(job, told, session_id)
        return 0
    if answer.stop_reason != "end_turn":
        tell("error", text=f"It stopped: {answer.stop_reason}.")
        return 1
    return 0


def keep(job, told, session_id) -> None:
    files = sessions.pack(job["sessions"])
    state = {"id": session_id, "asked": told.asked, "decided": told.permissions.decided, "files": files}
    tell("session", text=json.dumps(state))


async def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    held = json.loads(job["session"]) if job["session"] else {}
    decided = held.get("decided", {}) | ({held["asked"]: job["answer"]} if held else {})
    permissions = Permissions(job["tools"], job["commands"], decided)
    return await work(job, held, Told(permissions, titled=job["titled"]))


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
