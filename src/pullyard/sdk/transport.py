"""One HTTP connection to ``/api/v1``: problems become errors by who must act."""

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from pullyard.protocol.errors import Conflict, ProtocolViolation, RemoteFailure, RequestError
from pullyard.protocol.resources import Problem

API = "/api/v1"
CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0

ModelT = TypeVar("ModelT", bound=BaseModel)


class Unreachable(RemoteFailure):
    """Nobody answers at the coordinator's address."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(
            f"Nothing answers at {url} ({said}). Is 'pullyard up' running?",
            retryable=True,
            code="unreachable",
        )


class Unauthenticated(RequestError):
    """The token is missing, wrong, expired or revoked, or may not do this."""


class Transport:
    """Raises RequestError, Conflict, RemoteFailure or ProtocolViolation; nothing of httpx gets out."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(
                base_url=self.url + API,
                headers=headers,
                timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise RequestError(f"The address or the token can't be used ({error}).") from error

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, model: type[ModelT], query: Mapping[str, Any] | None = None) -> ModelT:
        return _decode(self.request("GET", path, query=query), model)

    def post(self, path: str, model: type[ModelT], body: BaseModel | None = None) -> ModelT:
        return _decode(self.request("POST", path, body=body), model)

    def put(self, path: str, model: type[ModelT], body: BaseModel) -> ModelT:
        return _decode(self.request("PUT", path, body=body), model)

    def patch(self, path: str, model: type[ModelT], body: BaseModel, *, version: int) -> ModelT:
        return _decode(self.request("PATCH", path, body=body, version=version), model)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: BaseModel | None = None,
        version: int | None = None,
    ) -> httpx.Response:
        headers = {} if version is None else {"if-match": f'"{version}"'}
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            # Only what was said is sent, so that the server's own defaults hold for the rest.
            content = body.model_dump_json(exclude_unset=True)
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._http.request(method, path, params=parameters, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error
        _raise_for_problem(response)
        return response


def _raise_for_problem(response: httpx.Response) -> None:
    status = response.status_code
    if status < httpx.codes.BAD_REQUEST:
        return
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        problem = Problem(
            title=response.reason_phrase,
            status=status,
            detail=f"{response.request.url.copy_with(query=None)} answered {status}, which is not "
            "a Pullyard coordinator's answer.",
            code="not-a-coordinator",
        )
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Unauthenticated(problem.detail, code=problem.code, status=status)
    if status in (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED):
        raise Conflict(problem.detail, code=problem.code, details=problem.details)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise RemoteFailure(problem.detail, retryable=True, code=problem.code)
    raise RequestError(problem.detail, code=problem.code, status=status, details=problem.details)


def _decode(response: httpx.Response, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ProtocolViolation(
            "The coordinator's answer can't be read; are both sides of the same version?", local=False
        ) from error
