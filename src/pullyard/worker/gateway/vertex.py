"""Google's Vertex AI, passed through: Anthropic's models and Gemini by their own requests and answers.

The project and the place in a request's address are the client's; they give way to those of the endpoint.
"""

import re

from pullyard.worker.gateway import anthropic, gemini
from pullyard.worker.gateway.gemini import GOOGLE_HEADERS
from pullyard.worker.gateway.provider import MODEL, Asked, Passed, Provider, Refused, Route

_ANY = r"/v1(?:beta1)?(?:/projects/[A-Za-z0-9_.:-]+)?(?:/locations/[A-Za-z0-9-]+)?"
_COUNTING = "count-tokens"


def _ask_anthropic(asked: Asked) -> Passed:
    request, model = anthropic.check_request(asked.body), asked.named["model"]
    if model == _COUNTING:
        return Passed(asked.named["path"], asked.body)
    if request.model:
        raise Refused("The model is named by the address alone.")
    name = model.replace("@", "-")
    return Passed(asked.named["path"], asked.body, anthropic.metered(request, name, len(asked.body)))


def _ask_gemini(asked: Asked) -> Passed:
    passed = gemini.read(asked)
    return Passed(asked.named["path"], passed.body, passed.metered)


VERTEX = Provider(
    name="vertex",
    base_url=None,
    key_variable="the endpoint's key_file or key_command",
    routes=[
        Route(
            "POST",
            re.compile(
                f"{_ANY}(?P<path>/publishers/anthropic/models/(?P<model>{MODEL}):(?:streamR|r)awPredict)"
            ),
            _ask_anthropic,
        ),
        Route(
            "POST",
            re.compile(
                f"{_ANY}(?P<path>/publishers/google/models/(?P<model>{MODEL}):(?P<method>{gemini.METHODS}))"
            ),
            _ask_gemini,
        ),
    ],
    key_header=lambda key: ("authorization", f"Bearer {key}"),
    error=gemini.error,
    query=frozenset({"alt"}),
    dropped_query=frozenset({"key"}),
    request_headers=GOOGLE_HEADERS | {"anthropic-beta"},
)
