"""Runs mini-swe-agent in the sandbox, as a library, and says what it does: one JSON object a line.

Its own Python runs this, and only what the job names counts: no file of the repository is a setting.
"""

import json
import os
import sys
import traceback

os.environ["MSWEA_SILENT_STARTUP"] = "1"
os.environ["MSWEA_GLOBAL_CONFIG_DIR"] = "/tmp/mini-swe-agent"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# In its other mode it takes variables from a file .env.
os.environ["LITELLM_MODE"] = "PRODUCTION"

import litellm
import yaml
from minisweagent.agents.default import DefaultAgent
from minisweagent.config import builtin_config_dir
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

FINAL = {400, 401, 402, 403, 404, 413, 422}
"""What the provider or the gateway would answer again."""


def tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}, default=str) + "\n")
    sys.stdout.flush()


class Final(Exception):
    pass


class Model(LitellmModel):
    abort_exceptions = [*LitellmModel.abort_exceptions, Final]  # noqa: RUF012

    def _query(self, messages, **more):
        try:
            return super()._query(messages, **more)
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status in FINAL:
                raise Final(str(error)) from error
            tell("note", text=f"The model did not answer, and is asked again: {error}")
            raise


class Agent(DefaultAgent):
    def add_messages(self, *messages):
        for message in messages:
            tell_message(message)
        return super().add_messages(*messages)


def tell_message(message: dict) -> None:
    more = message.get("extra") or {}
    if message["role"] == "assistant":
        tell_turn(message, more)
    elif message["role"] == "tool":
        failed = more.get("returncode") != 0
        tell("result", id=message.get("tool_call_id"), text=more.get("raw_output"), failed=failed)
    elif more.get("interrupt_type") == "FormatError":
        tell("note", text=message["content"], failed=True)


def tell_turn(message: dict, more: dict) -> None:
    usage = (more.get("response") or {}).get("usage") or {}
    tell(
        "turn",
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cost=more.get("cost"),
    )
    if message.get("content"):
        tell("message", text=message["content"])
    for call in message.get("tool_calls") or []:
        given = next((one for one in more["actions"] if one["tool_call_id"] == call["id"]), {})
        tell("call", tool="bash", id=call["id"], input={"command": given.get("command")})


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    config = yaml.safe_load((builtin_config_dir / "mini.yaml").read_text())
    wanted = config["model"] | {
        "model_name": job["model"],
        "model_kwargs": {"drop_params": True, "api_base": job["address"], "api_key": job["key"]},
        "cost_tracking": "ignore_errors",
    }
    if job["provider"] == "anthropic":
        wanted["set_cache_control"] = "default_end"
    own = {key: config["agent"][key] for key in ("system_template", "instance_template")}
    agent = Agent(
        Model(**wanted),
        LocalEnvironment(**config["environment"]),
        # Money is counted outside, by the gateway.
        **own,
        cost_limit=0,
        step_limit=job["step_limit"],
    )
    ended = agent.run(job["prompt"])
    status = ended.get("exit_status", "")
    if status != "Submitted":
        tell("error", text=f"It ended with {status}.")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001
        tell("error", text=str(error) or type(error).__name__)
        traceback.print_exception(error, limit=3, chain=False)
        sys.exit(1)
