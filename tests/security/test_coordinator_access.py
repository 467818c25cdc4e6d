"""Who may call what: every route that the application itself lists, for every kind of credential."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.lifecycle.ids import Kind, new_id
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.live import hear, listening, say, subscribe

Operation = tuple[str, str]
PUBLIC = {("get", "/healthz"), ("get", "/readyz"), ("get", "/api/v1/version"), ("post", "/api/v1/session")}
# A stranger has a token and is a member, too; whose they are is told by the other tests.
OWN_LISTS = {"/api/v1/tokens", "/api/v1/members", "/api/v1/workflows"}
BUDGET = {"scope": "tenant", "period": "day", "limit_micros": 1_000_000}
KEY = {"provider": "anthropic", "scope": "tenant", "boxes": {"x25519:" + "A" * 43 + "=": "AAAA"}}
DEVICE = {
    "endpoint": "https://push.example/1",
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "name": "phone",
    "events": [],
}
SCHEDULE = {"name": "nightly", "cron": "0 0 1 1 *", "task": {"title": "x"}}
COMPARISON = {"title": "x", "candidates": [{"agent": {"name": "command", "settings": {"command": "x"}}}] * 2}
RULE = {"name": "all", "type_pattern": "never", "task": {"title": "x"}}
METHODS = ("get", "post", "patch", "put", "delete")


async def operations(coordinator: RunningCoordinator) -> dict[Operation, dict[str, Any]]:
    schema = (await coordinator.client().get("/api/v1/openapi.json")).json()
    return {
        (method, path): operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS and (method, path) not in PUBLIC
    }


def is_live(operation: dict[str, Any]) -> bool:
    """Its answer has no end."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: ids[match.group(1)], path)


@pytest.fixture
async def ids(coordinator: RunningCoordinator) -> dict[str, str]:
    """One thing of each kind, of the owner's tenant, by the name of the path's parameter."""
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    task = await coordinator.task(project_id)
    grant = await worker.claim()
    await worker.log(grant, b"secret\n")
    await worker.deliver(grant)
    done = await coordinator.get(f"/tasks/{task['id']}")
    return {
        "project_id": project_id,
        "task_id": task["id"],
        "execution_id": grant.execution_id,
        "worker_id": worker.id,
        "change_id": done["change_id"],
        "token_id": (await coordinator.post("/tokens", {"name": "one"}))["id"],
        "schedule_id": (await coordinator.post(f"/projects/{project_id}/schedules", SCHEDULE))["id"],
        "rule_id": (await coordinator.post(f"/projects/{project_id}/event-rules", RULE))["id"],
        "comparison_id": (await coordinator.post(f"/projects/{project_id}/comparisons", COMPARISON))["id"],
        "received_id": (await coordinator.post("/events", {"type": "test"}))["events"][0]["id"],
        "budget_id": (await coordinator.http.put("/api/v1/budgets", json=BUDGET)).json()["id"],
        "key_id": (await coordinator.http.put("/api/v1/keys", json=KEY)).json()["id"],
        "webhook_id": (await webhook(coordinator, project_id))["id"],
        "device_id": (await coordinator.http.put("/api/v1/push/devices", json=DEVICE)).json()["id"],
        "stream": "implement",
        "member_id": coordinator.served.services.owner.member_id,
    }


@pytest.fixture
async def stranger(coordinator: RunningCoordinator) -> httpx.AsyncClient:
    """The owner of a second tenant."""
    tenant_id, member_id = new_id(Kind.TENANT), new_id(Kind.MEMBER)
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text("INSERT INTO tenants VALUES (:id, 'other')"), {"id": tenant_id})
        await connection.execute(
            text("INSERT INTO members (id, tenant_id, name, role) VALUES (:id, :tenant, 'other', 'owner')"),
            {"id": member_id, "tenant": tenant_id},
        )
        issued = await issue(
            connection, CredentialKind.API, tenant_id=tenant_id, member_id=member_id, seconds=None
        )
    return coordinator.client(issued.secret)


async def webhook(coordinator: RunningCoordinator, project_id: str) -> dict[str, Any]:
    """Of this project, whose repository is put where a forge may be."""
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(
            text("UPDATE projects SET repository = 'https://github.com/a/b' WHERE id = :id"),
            {"id": project_id},
        )
    return await coordinator.post(f"/projects/{project_id}/webhooks", {})


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, (answer.request.method, answer.request.url, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"]
    assert answer.json()["detail"].endswith(".")


async def test_every_route_wants_the_credential_of_a_person(
    coordinator: RunningCoordinator, ids: dict[str, str]
) -> None:
    worker = await coordinator.worker()
    events = await coordinator.post("/tokens", {"name": "forge", "kind": "events"})
    callers = [
        coordinator.client(),
        coordinator.client("pyl_api_wrong"),
        coordinator.client(coordinator.enrolment),
        worker.http,
    ]
    found = await operations(coordinator)
    assert len(found) > 20
    for method, path in found:
        for caller in callers:
            assert_problem(await caller.request(method, filled(path, ids), json={}), 401)
        if (method, path) != ("post", "/api/v1/events"):
            refused = await coordinator.client(events["secret"]).request(method, filled(path, ids), json={})
            assert_problem(refused, 401)


@pytest.mark.attack("routes: another tenant's ids")
async def test_another_tenant_finds_nothing_behind_any_id(
    coordinator: RunningCoordinator, ids: dict[str, str], stranger: httpx.AsyncClient
) -> None:
    bodies: dict[Operation, dict[str, Any]] = {
        ("post", "/api/v1/projects/{project_id}/tasks"): {"title": "x"},
        ("post", "/api/v1/projects/{project_id}/automation/inject"): {"tasks": [{"title": "x"}]},
        ("post", "/api/v1/tasks/{task_id}/move"): {"place": "front"},
        ("post", "/api/v1/changes/{change_id}/respond"): {"text": "x"},
        ("post", "/api/v1/changes/{change_id}/approve"): {"commit": "b" * 40},
        ("post", "/api/v1/executions/{execution_id}/answer"): {"answer": "x"},
        ("post", "/api/v1/projects/{project_id}/schedules"): SCHEDULE,
        ("post", "/api/v1/projects/{project_id}/event-rules"): RULE,
        ("post", "/api/v1/projects/{project_id}/comparisons"): COMPARISON,
        ("post", "/api/v1/comparisons/{comparison_id}/choose"): {"task_id": ids["task_id"]},
    }
    asked = [key for key in await operations(coordinator) if "{" in key[1]]
    assert len(asked) > 15
    for method, path in asked:
        body = bodies.get((method, path), {})
        answer = await stranger.request(method, filled(path, ids), json=body, params={"q": "x"})
        assert_problem(answer, 404)
        assert answer.json()["code"] == "not-found"


@pytest.mark.attack("routes: another tenant's ids")
async def test_another_tenant_sees_empty_lists_whatever_it_filters_by(
    coordinator: RunningCoordinator, ids: dict[str, str], stranger: httpx.AsyncClient
) -> None:
    lists = [
        path
        for (method, path), operation in (await operations(coordinator)).items()
        if method == "get" and "{" not in path and not is_live(operation)
    ]
    for path in lists:
        for query in ({}, {name: ids[name] for name in ("project_id", "task_id")}):
            answer = (await stranger.get(path, params=query)).json()
            own = [one for one in answer.get("items", []) if path not in OWN_LISTS]
            assert own == [], path
            assert not any(value in str(answer) for value in ids.values() if value != "implement")


@pytest.mark.attack("routes: another tenant's ids", "workers: stolen tokens")
async def test_another_tenants_worker_reaches_nothing(
    coordinator: RunningCoordinator, ids: dict[str, str], stranger: httpx.AsyncClient
) -> None:
    token = (await stranger.post("/api/v1/tokens", json={"name": "w", "kind": "enrolment"})).json()["secret"]
    coordinator.enrolment = token
    worker = await coordinator.worker()
    await coordinator.task(ids["project_id"])
    assert not (await worker.poll(wait=0.3)).grants
    for call in ("phase", "finish"):
        body = b'{"fence": 1, "phase": "prepare"}'
        assert_problem(await worker.post(f"/executions/{ids['execution_id']}/{call}", body), 404)


async def test_a_login_link_works_once_and_a_wrong_one_never(coordinator: RunningCoordinator) -> None:
    link = (await coordinator.served.login_url()).partition("token=")[2]
    browser = coordinator.client()
    for wrong in ("", "pyl_login_x", "\x00", coordinator.token, coordinator.enrolment):
        assert_problem(await browser.post("/api/v1/session", json={"link_token": wrong}), 401)
    assert (await browser.get(f"/login?token={link}")).status_code == 200
    first = await browser.post("/api/v1/session", json={"link_token": link})
    assert first.status_code == 201
    assert {"HttpOnly", "SameSite=lax"} <= set(first.headers["set-cookie"].split("; "))
    assert_problem(await coordinator.client().post("/api/v1/session", json={"link_token": link}), 401)
    assert_problem(await coordinator.client(link).get("/api/v1/tasks"), 401)


async def test_a_cookie_writes_only_from_our_own_pages(coordinator: RunningCoordinator) -> None:
    link = (await coordinator.served.login_url()).partition("token=")[2]
    browser = coordinator.client()
    await browser.post("/api/v1/session", json={"link_token": link})
    assert (await browser.get("/api/v1/session")).status_code == 200
    body = {"name": "x", "repository": "/srv/x.git"}
    host = coordinator.url.partition("://")[2]
    for origin in (None, "null", "https://evil.example", f"http://{host}.evil.example", f"http://x@{host}"):
        headers = {"origin": origin} if origin else {}
        refused = await browser.post("/api/v1/projects", json=body, headers=headers)
        assert_problem(refused, 403)
    ours = await browser.post("/api/v1/projects", json=body, headers={"origin": coordinator.url})
    assert ours.status_code == 201
    left = await browser.delete("/api/v1/session", headers={"origin": coordinator.url})
    assert left.status_code == 204
    cookie = {"cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items()) or "pullyard_session=x"}
    assert_problem(await coordinator.client().get("/api/v1/session", headers=cookie), 401)


async def test_logging_out_ends_the_session_itself(coordinator: RunningCoordinator) -> None:
    link = (await coordinator.served.login_url()).partition("token=")[2]
    browser = coordinator.client()
    await browser.post("/api/v1/session", json={"link_token": link})
    stolen = {"cookie": f"pullyard_session={browser.cookies['pullyard_session']}"}
    assert (await coordinator.client().get("/api/v1/session", headers=stolen)).status_code == 200
    await browser.delete("/api/v1/session", headers={"origin": coordinator.url})
    assert_problem(await coordinator.client().get("/api/v1/session", headers=stolen), 401)


async def test_an_expired_token_says_so(coordinator: RunningCoordinator) -> None:
    token = await coordinator.post("/tokens", {"name": "short", "seconds": 100})
    async with coordinator.served.services.database.transaction() as connection:
        past = "UPDATE credentials SET expires_at = now() - interval '1 s' WHERE id = :id"
        await connection.execute(text(past), {"id": token["id"]})
    answer = await coordinator.client(token["secret"]).get("/api/v1/tasks")
    assert_problem(answer, 401)
    assert answer.json()["code"] == "token-expired"


async def test_a_revoked_token_stops_at_once(coordinator: RunningCoordinator) -> None:
    token = await coordinator.post("/tokens", {"name": "short"})
    caller = coordinator.client(token["secret"])
    assert (await caller.get("/api/v1/tasks")).status_code == 200
    assert (await coordinator.http.delete(f"/api/v1/tokens/{token['id']}")).status_code == 204
    assert_problem(await caller.get("/api/v1/tasks"), 401)


@pytest.mark.parametrize(("offered", "side"), [([0], "worker"), ([], "worker"), ([999], "coordinator")])
async def test_a_protocol_that_is_not_spoken_is_told_whom_to_upgrade(
    coordinator: RunningCoordinator, offered: list[int], side: str
) -> None:
    body = {"name": "w", "protocol_versions": offered, "software_version": "0"}
    answer = await coordinator.client(coordinator.enrolment).post("/worker/v1/enrol", json=body)
    assert answer.status_code == 426
    problem = answer.json()
    assert problem["code"] == ("protocol-too-old" if side == "worker" else "protocol-too-new")
    assert "upgrade" in problem["detail"]


@pytest.mark.attack("secrets: at the coordinator", "workers: stolen tokens")
async def test_no_secret_is_anywhere_in_the_database(database_url: str) -> None:
    async with running_coordinator(database_url) as coordinator:
        worker = await coordinator.worker()
        link = (await coordinator.served.login_url()).partition("token=")[2]
        browser = coordinator.client()
        await browser.post("/api/v1/session", json={"link_token": link})
        secrets = [coordinator.token, coordinator.enrolment, link, browser.cookies["pullyard_session"]]
        secrets.append(worker.http.headers["authorization"].removeprefix("Bearer "))
        async with coordinator.served.services.database.transaction() as connection:
            names = await connection.scalars(
                text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            )
            rows = [
                row
                for name in names.all()
                for row in await connection.scalars(text(f"SELECT t::text FROM {name} t"))
            ]
    dump = "\n".join(rows)
    assert dump.count("\\\\x") + dump.count("\\x") >= len(secrets)
    for secret in secrets:
        bare = secret.split("_", 2)[2]
        assert bare not in dump
        assert bare.encode().hex() not in dump


@pytest.mark.attack("live stream: another tenant's news")
async def test_another_tenant_hears_nothing_of_ours(
    coordinator: RunningCoordinator, ids: dict[str, str], stranger: httpx.AsyncClient
) -> None:
    token = stranger.headers["authorization"].removeprefix("Bearer ")
    async with listening(coordinator, token=token) as socket:
        await subscribe(socket, "subscribe-events", id="all", cursor=0)
        wishes = [{name: ids[name]} for name in ("project_id", "task_id", "execution_id")]
        for wish in [*wishes, {"project_ids": [ids["project_id"]]}]:
            answer = await subscribe(socket, "subscribe-events", snapshot=True, **wish)
            assert (answer["type"], answer["code"]) == ("error", "not-found")
        about = {"execution_id": ids["execution_id"], "stream": "implement"}
        assert (await subscribe(socket, "subscribe-log", **about))["code"] == "not-found"
        wish = {"request_id": "r", "project_id": ids["project_id"], "task": {"title": "x"}}
        await say(socket, "create-task", **wish)
        assert (await hear(socket))["code"] == "not-found"
        # What happens now is told to its own tenant only: the next word here is the answer to the ping.
        await coordinator.task(ids["project_id"])
        async with listening(coordinator) as ours:
            await subscribe(ours, "subscribe-events", cursor=0)
            await hear(ours)
        await say(socket, "ping")
        assert (await hear(socket))["type"] == "pong"
    for query in (f"project_id={ids['project_id']}", f"task_id={ids['task_id']}"):
        assert_problem(await stranger.get(f"/api/v1/events/stream?{query}"), 404)
