"""Runs aider in the sandbox, as a library, and says what it does: one JSON object a line.

Its own Python runs this, and only what the job names counts: no file of the repository is a setting.
"""

import dataclasses
import json
import os
import sys
import traceback
from pathlib import Path

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# In its other mode it takes variables from a file .env.
os.environ["LITELLM_MODE"] = "PRODUCTION"

from aider import models
from aider.coders import Coder, base_coder
from aider.exceptions import LiteLLMExceptions
from aider.io import InputOutput
from aider.repomap import RepoMap

FINAL = {400, 401, 402, 403, 404, 413, 422}
"""What the provider or the gateway would answer again."""
MOST_MODEL_FILES = 50
"""So many files that the task names are opened from the start."""


def tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}, default=str) + "\n")
    sys.stdout.flush()


class Told(InputOutput):
    """Says yes to files, and to nothing that would run a command or open a page."""

    def __init__(self) -> None:
        self.errors = []
        super().__init__(pretty=False, yes=True, fancy_input=False)

    def ai_output(self, content):
        tell("message", text=content)

    def assistant_output(self, message, pretty=None):
        """It comes by ``ai_output`` too."""

    def tool_output(self, *messages, log_only=False, bold=False):  # noqa: ARG002
        text = " ".join(map(str, messages)).strip()
        if text and not log_only:
            tell("note", text=text)

    def tool_warning(self, message="", strip=True):  # noqa: ARG002, FBT002
        tell("note", text=str(message))

    def tool_error(self, message="", strip=True):  # noqa: ARG002, FBT002
        self.errors.append(str(message))
        tell("note", text=str(message), failed=True)

    def offer_url(self, *_, **__):
        return False


class Patience(LiteLLMExceptions):
    def get_ex_info(self, ex):
        told = super().get_ex_info(ex)
        return dataclasses.replace(told, retry=False) if is_final(ex) else told


def is_final(error: BaseException | None) -> bool:
    """Whether this error, or one that led to it, is an answer that would come again."""
    while error is not None:
        if getattr(error, "status_code", None) in FINAL:
            return True
        error = error.__cause__ or error.__context__
    return False


def count(coder: Coder) -> None:
    tell(
        "total",
        input_tokens=coder.total_tokens_sent,
        output_tokens=coder.total_tokens_received,
        cost=coder.total_cost,
    )


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    # Its notes on the code would else lie in the working copy, and its list of models is fetched.
    RepoMap.TAGS_CACHE_DIR = "/tmp/aider-tags"
    base_coder.LiteLLMExceptions = Patience
    models.model_info_manager._update_cache = lambda: None  # noqa: SLF001
    model = models.Model(job["model"], weak_model=False, editor_model=False)
    model.weak_model = model
    model.extra_params = {**(model.extra_params or {}), "api_base": job["address"], "api_key": job["key"]}
    told = Told()
    named = [name for name in job["files"][:MOST_MODEL_FILES] if Path(name).is_file()]
    coder = Coder.create(
        main_model=model,
        io=told,
        fnames=named,
        auto_commits=False,
        dirty_commits=False,
        stream=False,
        suggest_shell_commands=False,
        detect_urls=False,
    )
    coder.run(with_message=job["prompt"])
    count(coder)
    if not coder.partial_response_content:
        tell("error", text=told.errors[-1] if told.errors else "The model gave no answer.")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001
        tell("error", text=str(error) or type(error).__name__)
        traceback.print_exception(error, limit=3, chain=False)
        sys.exit(1)
