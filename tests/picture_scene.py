"""A system for the pictures in the documentation: days of believable work, with the same names each time."""

import json
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import msgspec

from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import Diffstat, FileChange, Grant, PhaseReport, PublishedChange, Usage
from tests.coordinator import RunningCoordinator, WireWorker
from tests.postgres import execute
from tests.web_review import CRITERIA, collide, deliver, work_of
from tests.web_scene import FACTS, HOSTILE, asks, closed, enrol
from tests.web_task_scene import NETWORK, SAID

DIFF = """diff --git a/shop/totals.py b/shop/totals.py
index 1111111..2222222 100644
--- a/shop/totals.py
+++ b/shop/totals.py
@@ -1,9 +1,12 @@
 from decimal import ROUND_HALF_UP, Decimal
\x20
+CENT = Decimal("0.01")
+
\x20
 def total(prices):
-    return round(sum(prices), 2)
+    \"\"\"Rounded once, at the end: rounded prices add up to another sum.\"\"\"
+    return sum(prices, Decimal()).quantize(CENT, ROUND_HALF_UP)
\x20
\x20
 def tax(price):
     return price * Decimal("0.2")
diff --git a/tests/test_totals.py b/tests/test_totals.py
index 1111111..2222222 100644
--- a/tests/test_totals.py
+++ b/tests/test_totals.py
@@ -8,3 +8,7 @@ class TotalTest(unittest.TestCase):
     def test_adds_up(self):
         self.assertEqual(total([Decimal("1.10"), Decimal("2.20")]), Decimal("3.30"))
\x20
+    def test_rounds_half_up(self):
+        self.assertEqual(total([Decimal("0.125")]), Decimal("0.13"))
+        self.assertEqual(total([Decimal("0.005")] * 3), Decimal("0.02"))
+
"""
FILES = [
    FileChange(path="shop/totals.py", status="modified", additions=4, deletions=1),
    FileChange(path="tests/test_totals.py", status="modified", additions=4, deletions=0),
]
DONE = [
    ("shop", "Send one receipt for one order", 640_000),
    ("infra", "Give every pod a memory limit", 1_120_000),
    ("shop", "Refuse an empty basket politely", 210_000),
    ("billing", "Number the invoices without gaps", 2_340_000),
    ("shop", "Show prices in the customer's currency", 1_870_000),
    ("infra", "Renew certificates a week earlier", 480_000),
    ("billing", "Export invoices as CSV", 760_000),
    ("shop", "Stop the double click from ordering twice", 350_000),
]
REVIEW = [
    ("infra", "Stream logs over one connection", 910_000),
    ("billing", "Reject dates in the future", 270_000),
]
QUEUED: list[tuple[str, dict[str, Any]]] = [
    ("shop", {"title": "Retry a webhook's delivery with jitter", "priority": 50}),
    ("shop", {"title": "Sort search results by relevance", "priority": 10}),
    ("infra", {"title": "Train the ranking on last month's clicks", "labels": ["cuda"]}),
    ("billing", {"title": "Remind of unpaid invoices"}),
]
LABELS = ("linux", "agent=codex", "endpoint=openai")
COMPARED = "Speed up the product search"
WORKED_ON = "Share out the cents that are left over"
LOG = """\
\x1b[1m$ make test\x1b[0m
python3 -m unittest --verbose
test_adds_up (tests.test_totals.InstalmentsTest) ... \x1b[31mFAIL\x1b[0m
test_differs_by_a_cent_at_most (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
test_keeps_one_payment_whole (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
test_refuses_no_instalments_at_all (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m

======================================================================
\x1b[31mFAIL: test_adds_up (tests.test_totals.InstalmentsTest)\x1b[0m
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/ws/tests/test_totals.py", line 9, in test_adds_up
    self.assertEqual(sum(instalments(100_00, 3)), 100_00)
AssertionError: 9999 != 10000

Ran 4 tests in 0.002s

\x1b[31mFAILED\x1b[0m (failures=1)
make: *** [Makefile:4: test] Error 1

A hundred in three instalments comes to 99.99: a cent is lost on the way.
Rounding happens once, and then the share is repeated.
Edited invoices/totals.py: 2 lines added, 2 removed.

\x1b[1m$ make test\x1b[0m
python3 -m unittest --verbose
test_adds_up (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
test_differs_by_a_cent_at_most (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
test_keeps_one_payment_whole (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
test_refuses_no_instalments_at_all (tests.test_totals.InstalmentsTest) ... \x1b[32mok\x1b[0m
Ran 4 tests in 0.001s

\x1b[32mOK\x1b[0m
I'll add a test for the other direction too, which the tests did not cover.
"""
ASKING = """\
\x1b[1m$ psql -c "select * from pg_locks where locktype = 'advisory'"\x1b[0m
 locktype | objid | pid  | granted
----------+-------+------+---------
 advisory |    42 | 3187 | t
 advisory |    42 | 3190 | \x1b[31mf\x1b[0m
(2 rows)

The lock of 3187 outlives its transaction: the pool hands the connection on with it.
Transaction locks end by themselves. The table needs a column for that, so a migration.
"""
TESTED = """\
test_adds_up (tests.test_totals.InstalmentsTest) ... FAIL
test_keeps_one_payment_whole (tests.test_totals.InstalmentsTest) ... ok

AssertionError: 9999 != 10000
FAILED (failures=1)
"""
NEXT = "The sum is **exact** now. Rounding can go the other way, too, so `200.00` in three gets a test."
# The younger, the closer together; what is over took as long as its number wants.
AGED = (
    """
    CREATE TEMPORARY TABLE aged AS SELECT id AS task_id, number,
        interval '1 minute' * (3 * place + greatest(0, place - 10) ^ 2 * 60) AS age
    FROM (SELECT id, number, row_number() OVER (ORDER BY id DESC) AS place FROM tasks) placed
    """,
    "UPDATE tasks t SET created_at = t.created_at - age, updated_at = t.updated_at - age "
    "FROM aged WHERE task_id = t.id",
    """
    UPDATE task_executions e SET assigned_at = assigned_at - age, queued_at = queued_at - age,
        started_at = started_at - age, finished_at = finished_at - age + interval '7 minutes',
        phase_seconds = CASE WHEN finished_at IS NULL THEN '{"prepare": 1.9}' ELSE jsonb_build_object(
            'prepare', 2.1, 'implement', 95 + 47 * number, 'verify', 12.4 + 9 * number, 'publish', 0.8) END
    FROM aged a WHERE a.task_id = e.task_id
    """,
    "UPDATE changes c SET created_at = created_at - age, updated_at = updated_at - age "
    "FROM aged a WHERE a.task_id = c.task_id",
    "UPDATE comparisons SET created_at = created_at - interval '1 hour'",
    "UPDATE events SET at = at - interval '1 hour' WHERE kind LIKE 'comparison.%'",
    # The helper of the collision was no worker of theirs.
    "DELETE FROM events WHERE kind LIKE 'worker.%'",
    "UPDATE events e SET at = at - age FROM aged a WHERE a.task_id = e.task_id",
)


@dataclass
class PictureScene:
    shop: str
    task: str
    """An agent works on it."""
    asking: str
    change: str
    comparison: str


@dataclass
class Crew:
    coordinator: RunningCoordinator
    worker: WireWorker
    projects: dict[str, str]

    async def delivered(self, project: str, title: str, cost: int, **fields: Any) -> str:
        """The id of the change."""
        task = await self.coordinator.task(self.projects[project], title=title, **fields)
        grant = await self.worker.claim()
        await deliver(self.worker, grant, work(grant), cost=cost)
        return str((await self.coordinator.until_task(task["id"], "completed"))["change_id"])

    async def failed(self, project: str, title: str) -> None:
        task = await self.coordinator.task(self.projects[project], title=title)
        grant = await self.worker.claim()
        await self.worker.walk(grant, "prepare", "implement", "verify")
        failure = {"reason": "verify_failed", "message": "'make test' ended with exit code 1."}
        await self.worker.finish(grant, **failure, usage=Usage(cost_micros=540_000))
        await self.coordinator.until_task(task["id"], "failed")

    async def runs(self, project: str, title: str, *phases: str, **fields: Any) -> tuple[str, Grant]:
        task = await self.coordinator.task(self.projects[project], title=title, **fields)
        grant = await self.worker.claim()
        await self.worker.walk(grant, *phases)
        return task["id"], grant


def work(grant: Grant) -> PublishedChange:
    size = Diffstat(files=FILES, additions=8, deletions=1)
    commit = sha1(grant.task.title.encode()).hexdigest()
    body = "Prices are added as they are, and the sum is rounded half up."
    return msgspec.structs.replace(work_of(grant, DIFF), diffstat=size, body=body, commit=commit)


async def make_picture_scene(coordinator: RunningCoordinator, database_url: str) -> PictureScene:
    agents = {"shop": "claude-code", "infra": "codex", "billing": "claude-code"}
    projects = {
        name: await coordinator.project(
            name=f"acme/{name}",
            repository=f"https://forge.example/acme/{name}.git",
            agent={"name": agent},
            verify_commands=[["make", "test"]],
            max_running=9,
        )
        for name, agent in agents.items()
    }
    crew = Crew(coordinator, await enrol(coordinator, "build-07", *LABELS, "region=eu", **FACTS), projects)
    await enrol(coordinator, "build-08", *LABELS, "region=us", **FACTS)
    for project, title, cost in DONE:
        await closed(coordinator, crew.worker, await crew.delivered(project, title, cost))
    for project, title, cost in REVIEW:
        await crew.delivered(project, title, cost)
    await crew.delivered("shop", "Name the totals", 180_000)
    about = {"description": "A cent is lost now and then.", "acceptance_criteria": CRITERIA, "priority": 50}
    change = await crew.delivered("shop", "Round the totals half up", 420_000, **about)
    await collide(coordinator)
    [helper] = [one for one in (await coordinator.get("/workers"))["items"] if one["name"] == "wire"]
    await coordinator.post(f"/workers/{helper['id']}/revoke", status=200)
    comparison = await compared(crew)
    await crew.failed("shop", "Mend the flaky test of the basket")
    await asks(coordinator, crew.worker, projects["infra"])
    await crew.worker.log(crew.worker.held[-1], ASKING.encode())
    await crew.runs("shop", "Translate the pages", "prepare", "implement", "verify")
    await crew.runs("infra", "Drain nodes before an upgrade", "prepare", "implement")
    task = await works(crew)
    await coordinator.task(projects["shop"], title="Offer gift cards", draft=True)
    for project, fields in QUEUED:
        await coordinator.task(projects[project], **fields)
    await budgets(coordinator, projects["shop"])
    await execute(database_url, "; ".join(AGED))
    asking = (await coordinator.get("/tasks?state=waiting"))["items"][0]["id"]
    return PictureScene(projects["shop"], task, asking, change, comparison)


async def compared(crew: Crew) -> str:
    models = ["claude-sonnet-5", "gpt-6"]
    agents = [
        {"agent": {"name": name, "settings": {"model": model}}}
        for name, model in zip(("claude-code", "codex"), models, strict=True)
    ]
    wish = {"title": COMPARED, "candidates": agents}
    made = await crew.coordinator.post(f"/projects/{crew.projects['shop']}/comparisons", wish)
    for cost, passed in ((840_000, True), (310_000, False)):
        grant = await crew.worker.claim()
        await deliver(crew.worker, grant, work(grant), cost=cost, passed=passed)
    for one in made["candidates"]:
        await crew.coordinator.until_task(one["task_id"], "completed")
    return str(made["id"])


async def works(crew: Crew) -> str:
    """A task with a log and a conversation, which goes on."""
    task, grant = await crew.runs(
        "billing",
        WORKED_ON,
        "prepare",
        description="100.00 in three instalments comes to 99.99.",
        acceptance_criteria=["The sum is exact for every amount", "`make test` passes"],
        target_files=["invoices/totals.py"],
    )
    reached = {host: counts for host, counts in NETWORK.items() if "<" not in host}
    report = PhaseReport(fence=grant.fence, phase=Phase.IMPLEMENT, facts={"network": reached})
    answer = await crew.worker.post(f"/executions/{grant.execution_id}/phase", report)
    assert answer.status_code == 200, answer.text
    await crew.worker.log(grant, LOG.encode())
    said = [one for one in SAID if HOSTILE[:4] not in json.dumps(one)]
    said[5] = {**said[5], "text": TESTED, "whole": None}
    said.append({"kind": "message", "at": 20.0, "text": NEXT})
    lines = "".join(json.dumps(one) + "\n" for one in said)
    await crew.worker.log(grant, lines.encode(), stream="conversation")
    return task


async def budgets(coordinator: RunningCoordinator, shop: str) -> None:
    day = {"scope": "project", "project_id": shop, "period": "day", "limit_micros": 8_000_000}
    month = {"scope": "tenant", "period": "month", "limit_micros": 150_000_000}
    for budget in (day, month):
        answer = await coordinator.http.put("/api/v1/budgets", json=budget)
        assert answer.is_success, answer.text
