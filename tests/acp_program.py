"""A small program that speaks the Agent Client Protocol, run by the sandbox's own Python for tests.

It asks the model's gateway, runs the commands that it is given as arguments once it may, and says what came
of them. A command that begins with ``title:`` is named by its call's title alone, and one that ends with
``# edit`` has changed a file.
"""

import json
import os
import subprocess
import sys
import urllib.request


def send(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def receive():
    return json.loads(sys.stdin.readline())


def update(session, **what):
    send(method="session/update", params={"sessionId": session, "update": what})


def ask_model():
    body = {"model": os.environ["MODEL"], "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
    request = urllib.request.Request(
        os.environ["GATEWAY"] + "/v1/messages",
        json.dumps(body).encode(),
        {"content-type": "application/json", "anthropic-version": "2023-06-01"},
    )
    urllib.request.urlopen(request).read()


def run(session, number, command):
    told = command.removeprefix("title:")
    call = {"toolCallId": f"call-{number}", "title": told, "kind": "execute", "status": "pending"}
    if told == command:
        call["rawInput"] = {"command": command}
    options = [{"optionId": kind, "name": kind, "kind": kind} for kind in ("allow_once", "reject_once")]
    params = {"sessionId": session, "toolCall": call, "options": options}
    send(id=f"ask-{number}", method="session/request_permission", params=params)
    answer = receive()
    while answer.get("id") != f"ask-{number}":
        answer = receive()
    outcome = answer["result"]["outcome"]
    if outcome.get("optionId") == "allow_once":
        subprocess.run(["sh", "-c", told], check=False)
        if told.endswith("# edit"):
            diff = {"type": "diff", "path": "x.txt", "oldText": "a\nb\n", "newText": "a\nc\n"}
            done = {"toolCallId": call["toolCallId"], "status": "completed", "content": [diff]}
            update(session, sessionUpdate="tool_call_update", **done)
        update(
            session,
            sessionUpdate="agent_message_chunk",
            content={"type": "text", "text": f"Ran {told}. "},
        )
    return outcome["outcome"]


def prompt(session):
    ask_model()
    for number, command in enumerate(sys.argv[1:]):
        if run(session, number, command) == "cancelled":
            return "cancelled"
    update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": "Done."})
    return "end_turn"


for line in sys.stdin:
    asked = json.loads(line)
    match asked.get("method"):
        case "initialize":
            send(id=asked["id"], result={"protocolVersion": 1, "agentCapabilities": {}})
        case "session/new":
            send(id=asked["id"], result={"sessionId": "own"})
        case "session/prompt":
            send(id=asked["id"], result={"stopReason": prompt("own")})
