"""Work to be reviewed: changes with hostile names and texts, two that collide, candidates to choose from."""

from dataclasses import dataclass
from typing import Any

import msgspec

from pullyard.protocol.errands import CompareReport, TrialResult
from pullyard.protocol.worker import (
    CommandResult,
    Diffstat,
    ErrandReport,
    FileChange,
    Grant,
    PublishedChange,
    Receipt,
    Tally,
    Usage,
)
from tests.coordinator import RunningCoordinator, WireWorker, change_of
from tests.web_scene import HOSTILE, enrol

STRANGE = r"\033[31m\303\266<img src=x onerror=alert(3)>" + "n" * 120
LONG = "\n".join(f"+line {number}" for number in range(1, 501))
DIFF = f"""diff --git a/shop/totals.py b/shop/totals.py
index 1111111..2222222 100644
--- a/shop/totals.py
+++ b/shop/totals.py
@@ -1,5 +1,6 @@
 def total(prices):
-    return round(sum(prices), 2)
+    return rounded(sum(prices), 2)
+    # {HOSTILE}</code></div><script>alert(2)</script>
\x20
 def tax(price):
     return price * 0.2
diff --git a/shop/names.py b/shop/titles.py
similarity index 90%
rename from shop/names.py
rename to shop/titles.py
--- a/shop/names.py
+++ b/shop/titles.py
@@ -1 +1 @@
-NAME = "shop"
+TITLE = "shop"
diff --git a/logo.png b/logo.png
index 1111111..2222222 100644
Binary files a/logo.png and b/logo.png differ
diff --git "a/{STRANGE}" "b/{STRANGE}"
new file mode 100644
--- /dev/null
+++ "b/{STRANGE}"
@@ -0,0 +1 @@
+{"x" * 3000}
diff --git a/shop/prices.csv b/shop/prices.csv
new file mode 100644
--- /dev/null
+++ b/shop/prices.csv
@@ -0,0 +1,500 @@
{LONG}
"""
CRITERIA = ["Totals are rounded: `pytest shop`", "Nobody pays a cent too much"]


@dataclass
class Review:
    project: str
    worker: WireWorker
    change: str
    comparison: dict[str, Any]


def receipt_of(commit: str, *, passed: bool) -> Receipt:
    tests = Tally(framework="pytest", passed=41, failed=0 if passed else 1, skipped=2)
    outcome = "passed" if passed else "failed"
    command = CommandResult(argv=["pytest", "shop"], exit_code=0, seconds=7.4, outcome=outcome, tests=tests)
    return Receipt(
        commit=commit, tree="c" * 40, base_commit="a" * 40, commands=[command], passed=passed, seconds=8.1
    )


def work_of(grant: Grant, diff: str = DIFF) -> PublishedChange:
    files = [FileChange(path="shop/totals.py", status="modified", additions=2, deletions=1)]
    size = Diffstat(files=files, additions=504, deletions=2)
    return msgspec.structs.replace(change_of(grant), diff=diff, diffstat=size, body=f"Made it. {HOSTILE}")


async def deliver(
    worker: WireWorker, grant: Grant, work: PublishedChange, *, cost: int, passed: bool = True
) -> None:
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    spent = Usage(cost_micros=cost, input_tokens=90_000, output_tokens=7_000)
    receipt = receipt_of(work.commit, passed=passed)
    answer = await worker.finish(grant, change=work, receipt=receipt, usage=spent)
    assert answer.status_code == 200, answer.text


async def delivered(coordinator: RunningCoordinator, worker: WireWorker, project: str, **fields: Any) -> str:
    task = await coordinator.task(project, **fields)
    grant = await worker.claim()
    await deliver(worker, grant, work_of(grant), cost=420_000)
    return str((await coordinator.until_task(task["id"], "completed"))["change_id"])


async def make_review(coordinator: RunningCoordinator) -> Review:
    rules = {"overlap": "update"}
    project = await coordinator.project(name="acme/shop", max_running=9, change_rules=rules)
    worker = await enrol(coordinator, "build-07")
    await delivered(coordinator, worker, project, title=f"Name the titles {HOSTILE}")
    change = await delivered(
        coordinator,
        worker,
        project,
        title="Round the totals",
        description="A cent is lost now and then.",
        acceptance_criteria=CRITERIA,
        priority=50,
    )
    await collide(coordinator, HOSTILE)
    comparison = await compared(coordinator, worker, project)
    await coordinator.task(project, title="Print the totals", target_files=["shop"])
    return Review(project, worker, change, comparison)


async def collide(coordinator: RunningCoordinator, *more: str) -> None:
    """Has a worker tell that of two open changes only one can be merged, by ``more`` files too."""
    compares = await coordinator.worker(protocol=4)
    pairs = 0
    while not pairs:
        [errand] = (await compares.poll(slots=0, wait=10)).errands
        assert errand.compare is not None
        found = [
            TrialResult(place=place, files=["shop/totals.py", *more], total=1 + len(more))
            for place, merge in enumerate(errand.compare.merges)
            if merge.other
        ]
        pairs = len(found)
        said = ErrandReport(fence=errand.fence, done=True, compare=CompareReport(results=found))
        assert (await compares.post(f"/errands/{errand.id}", said)).status_code == 200


async def compared(coordinator: RunningCoordinator, worker: WireWorker, project: str) -> dict[str, Any]:
    agents = [{"agent": {"name": "command", "settings": {"command": name}}} for name in ("first", "second")]
    wish = {"title": "Mend the sorting of prices", "candidates": agents}
    made = await coordinator.post(f"/projects/{project}/comparisons", wish)
    for cost, passed in ((840_000, True), (310_000, False)):
        grant = await worker.claim()
        await deliver(worker, grant, work_of(grant), cost=cost, passed=passed)
    for one in made["candidates"]:
        await coordinator.until_task(one["task_id"], "completed")
    return made
