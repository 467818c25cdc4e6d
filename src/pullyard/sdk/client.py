"""The typed client of ``/api/v1``. One per program; not for several threads at once."""

from collections.abc import Iterator
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from pullyard.protocol.audit import AuditEntry
from pullyard.protocol.automation import Automation, AutomationStart, Injected, Injection, TaskMove
from pullyard.protocol.budgets import Budget, BudgetInput
from pullyard.protocol.comparisons import ChoiceInput, Comparison, ComparisonInput
from pullyard.protocol.costs import CostsReport
from pullyard.protocol.intake import EventRule, EventRuleInput, PlainEvent, ReceivedEvent, Reception
from pullyard.protocol.logs import OPEN_ENDED, LogLine, LogLines, LogMatch, LogMatches, LogStream
from pullyard.protocol.provider_keys import ProviderKey, ProviderKeyInput
from pullyard.protocol.resources import (
    ApprovalInput,
    Change,
    ChangeErrand,
    Execution,
    Intervention,
    Page,
    Project,
    ProjectInput,
    ProjectPatch,
    ReceiptKey,
    Salvage,
    Session,
    Task,
    TaskInput,
    TaskPatch,
    TaskRetry,
    Token,
    TokenInput,
    Version,
    Worker,
)
from pullyard.protocol.schedules import Schedule, ScheduleInput, SchedulePatch
from pullyard.protocol.webhooks import Webhook, WebhookInput
from pullyard.protocol.workflows import AnswerInput, ExecutionNode, Question, ReviewInput
from pullyard.sdk.stream import Stream
from pullyard.sdk.transport import Transport

ItemT = TypeVar("ItemT", bound=BaseModel)

PAGE_ITEMS = 100
LOG_PIECE_BYTES = 1 << 20


class Client:
    """``url`` is the coordinator's address, such as ``http://127.0.0.1:7420``."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._transport = Transport(url, token)
        self.url = self._transport.url

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def version(self) -> Version:
        return self._transport.get("/version", Version)

    def session(self) -> Session:
        """Who the token belongs to."""
        return self._transport.get("/session", Session)

    def stream(self) -> Stream:
        """The live feed; close it, or use it as a context."""
        return Stream(self._transport.url, self._transport.token)

    # Lists walk all pages; stop reading when you have enough.

    def projects(self, *, name: str | None = None) -> Iterator[Project]:
        return self._pages("/projects", Project, name=name)

    def project(self, project_id: str) -> Project:
        return self._transport.get(f"/projects/{project_id}", Project)

    def add_project(self, project: ProjectInput) -> Project:
        return self._transport.post("/projects", Project, project)

    def edit_project(self, project_id: str, patch: ProjectPatch, *, version: int) -> Project:
        return self._transport.patch(f"/projects/{project_id}", Project, patch, version=version)

    def tasks(
        self, *, project_id: str | None = None, number: int | None = None, state: str | None = None
    ) -> Iterator[Task]:
        return self._pages("/tasks", Task, project_id=project_id, number=number, state=state)

    def task(self, task_id: str) -> Task:
        return self._transport.get(f"/tasks/{task_id}", Task)

    def add_task(self, project_id: str, task: TaskInput) -> Task:
        return self._transport.post(f"/projects/{project_id}/tasks", Task, task)

    def edit_task(self, task_id: str, patch: TaskPatch, *, version: int) -> Task:
        return self._transport.patch(f"/tasks/{task_id}", Task, patch, version=version)

    def cancel_task(self, task_id: str) -> Task:
        return self._transport.post(f"/tasks/{task_id}/cancel", Task)

    def retry_task(self, task_id: str, retry: TaskRetry) -> Task:
        return self._transport.post(f"/tasks/{task_id}/retry", Task, retry)

    def move_task(self, task_id: str, move: TaskMove) -> Task:
        """Puts a task that waits at another place of its project's queue."""
        return self._transport.post(f"/tasks/{task_id}/move", Task, move)

    def automation(self, project_id: str) -> Automation:
        return self._transport.get(f"/projects/{project_id}/automation", Automation)

    def start_automation(self, project_id: str, start: AutomationStart | None = None) -> Automation:
        return self._transport.post(f"/projects/{project_id}/automation/start", Automation, start)

    def pause_automation(self, project_id: str) -> Automation:
        return self._transport.post(f"/projects/{project_id}/automation/pause", Automation)

    def resume_automation(self, project_id: str) -> Automation:
        return self._transport.post(f"/projects/{project_id}/automation/resume", Automation)

    def stop_automation(self, project_id: str) -> Automation:
        return self._transport.post(f"/projects/{project_id}/automation/stop", Automation)

    def sync_task_list(self, project_id: str) -> Automation:
        """Asks for the list to be read; ``task_list.under_way`` is true until it was."""
        return self._transport.post(f"/projects/{project_id}/automation/sync", Automation)

    def inject_tasks(self, project_id: str, injection: Injection) -> Injected:
        return self._transport.post(f"/projects/{project_id}/automation/inject", Injected, injection)

    def executions(self, task_id: str) -> Iterator[Execution]:
        return self._pages(f"/tasks/{task_id}/executions", Execution)

    def salvaged_executions(self, *, project_id: str | None = None) -> Iterator[Execution]:
        """Those that left unfinished work, the newest first."""
        return self._pages("/executions", Execution, project_id=project_id, salvaged=True)

    def salvage(self, execution_id: str) -> Salvage:
        return self._transport.get(f"/executions/{execution_id}/salvage", Salvage)

    def execution(self, execution_id: str) -> Execution:
        return self._transport.get(f"/executions/{execution_id}", Execution)

    def execution_nodes(self, execution_id: str) -> Iterator[ExecutionNode]:
        return self._pages(f"/executions/{execution_id}/nodes", ExecutionNode)

    def question(self, execution_id: str) -> Question:
        """What it asks or asked last, with the work that this is about."""
        return self._transport.get(f"/executions/{execution_id}/question", Question)

    def answer(self, execution_id: str, answer: AnswerInput) -> Execution:
        return self._transport.post(f"/executions/{execution_id}/answer", Execution, answer)

    def initialize(self, project_id: str) -> Task:
        return self._transport.post(f"/projects/{project_id}/initialize", Task)

    def respond(self, change_id: str, review: ReviewInput) -> Task:
        return self._transport.post(f"/changes/{change_id}/respond", Task, review)

    def approve(self, change: Change) -> Change:
        """As it is in ``change``: refused where it has another commit by now."""
        return self._transport.post(
            f"/changes/{change.id}/approve", Change, ApprovalInput(commit=change.commit)
        )

    def log_streams(self, execution_id: str) -> Iterator[LogStream]:
        return self._pages(f"/executions/{execution_id}/logs", LogStream)

    def log(
        self, execution_id: str, stream: str, *, begin: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """All that is there of one log now, or the bytes from ``begin`` to before ``end``, in pieces."""
        offset = begin
        while end is None or offset < end:
            limit = LOG_PIECE_BYTES if end is None else min(LOG_PIECE_BYTES, end - offset)
            answer = self._log_part(execution_id, stream, offset=offset, limit=limit)
            if not answer.content:
                return
            yield answer.content
            offset += len(answer.content)

    def log_range(self, execution_id: str, stream: str, first: int, last: int) -> Iterator[bytes]:
        """The bytes of these lines, line ends and all; both ends included."""
        begin, end = (
            int(self._log_part(execution_id, stream, lines=str(line), limit=1).headers["pullyard-log-offset"])
            for line in (first, min(last + 1, OPEN_ENDED))
        )
        return self.log(execution_id, stream, begin=begin, end=end)

    def _log_part(self, execution_id: str, stream: str, **query: int | str) -> httpx.Response:
        path = f"/executions/{execution_id}/logs/{stream}"
        return self._transport.request("GET", path, query=query)

    def log_lines(self, execution_id: str, stream: str, first: int, last: int) -> Iterator[LogLine]:
        """Lines by their numbers, the first one being 1; both ends included, as far as there are lines."""
        path = f"/executions/{execution_id}/logs/{stream}/lines"
        following: int | None = first
        while following is not None and following <= last:
            part = self._transport.get(path, LogLines, {"lines": f"{following}-{last}"})
            yield from part.lines
            following = part.next

    def search_log(
        self, execution_id: str, stream: str, words: str, *, ignore_case: bool = False, context: int = 0
    ) -> Iterator[LogMatch]:
        """Every line that holds the words, in order; each answer of the server is one part of the log."""
        path = f"/executions/{execution_id}/logs/{stream}/search"
        query = {"q": words, "ignore_case": ignore_case, "context": context, "limit": PAGE_ITEMS}
        cursor: int | None = 0
        while cursor is not None:
            part = self._transport.get(path, LogMatches, {**query, "cursor": cursor})
            yield from part.matches
            cursor = part.next

    def changes(self, *, project_id: str | None = None, state: str | None = None) -> Iterator[Change]:
        return self._pages("/changes", Change, project_id=project_id, state=state)

    def add_comparison(self, project_id: str, comparison: ComparisonInput) -> Comparison:
        return self._transport.post(f"/projects/{project_id}/comparisons", Comparison, comparison)

    def comparisons(self, *, project_id: str | None = None) -> Iterator[Comparison]:
        return self._pages("/comparisons", Comparison, project_id=project_id)

    def comparison(self, comparison_id: str) -> Comparison:
        return self._transport.get(f"/comparisons/{comparison_id}", Comparison)

    def choose(self, comparison_id: str, choice: ChoiceInput) -> Comparison:
        """The others are cancelled, and their changes closed by a worker."""
        return self._transport.post(f"/comparisons/{comparison_id}/choose", Comparison, choice)

    def cancel_comparison(self, comparison_id: str) -> Comparison:
        return self._transport.post(f"/comparisons/{comparison_id}/cancel", Comparison)

    def change(self, change_id: str) -> Change:
        return self._transport.get(f"/changes/{change_id}", Change)

    def diff(self, change_id: str) -> str:
        return self._transport.request("GET", f"/changes/{change_id}/diff").text

    def merge_change(self, change_id: str) -> ChangeErrand:
        """Ask for a merge; a worker does it: see ``change(...).errand``."""
        return self._transport.post(f"/changes/{change_id}/merge", ChangeErrand)

    def close_change(self, change_id: str) -> ChangeErrand:
        return self._transport.post(f"/changes/{change_id}/close", ChangeErrand)

    def ready_task(self, task_id: str) -> Task:
        return self._transport.post(f"/tasks/{task_id}/ready", Task)

    def requeue_task(self, task_id: str, why: Intervention) -> Task:
        """Takes a running task from its worker and queues it again."""
        return self._transport.post(f"/tasks/{task_id}/requeue", Task, why)

    def remove_task(self, task_id: str) -> None:
        self._transport.request("DELETE", f"/tasks/{task_id}")

    def remove_project(self, project_id: str) -> None:
        self._transport.request("DELETE", f"/projects/{project_id}")

    def workers(self) -> Iterator[Worker]:
        return self._pages("/workers", Worker)

    def worker(self, worker_id: str) -> Worker:
        return self._transport.get(f"/workers/{worker_id}", Worker)

    def receipt_keys(self, key: str | None = None) -> Iterator[ReceiptKey]:
        """Of all workers, removed ones too; or of those that sign with ``key``."""
        return self._pages("/workers/receipt-keys", ReceiptKey, key=key)

    def move_worker(self, worker_id: str, verb: str, wish: Intervention | None = None) -> Worker:
        """``verb`` is drain, resume, quarantine, release, requeue or revoke."""
        return self._transport.post(f"/workers/{worker_id}/{verb}", Worker, wish)

    def remove_worker(self, worker_id: str) -> None:
        self._transport.request("DELETE", f"/workers/{worker_id}")

    def budgets(self, *, project_id: str | None = None) -> Iterator[Budget]:
        return self._pages("/budgets", Budget, project_id=project_id)

    def set_budget(self, budget: BudgetInput) -> Budget:
        """Replaces the one of the same project, scope and period."""
        return self._transport.put("/budgets", Budget, budget)

    def remove_budget(self, budget_id: str) -> None:
        self._transport.request("DELETE", f"/budgets/{budget_id}")

    def costs(self, **query: Any) -> CostsReport:
        """``by``, ``since``, ``until`` (days, by UTC) and ``project_id``."""
        return self._transport.get("/costs", CostsReport, query)

    def costs_csv(self, **query: Any) -> str:
        """The same rows, for a sheet."""
        return self._transport.request("GET", "/costs", query={**query, "format": "csv"}).text

    def keys(self) -> Iterator[ProviderKey]:
        return self._pages("/keys", ProviderKey)

    def set_key(self, key: ProviderKeyInput) -> ProviderKey:
        """Replaces the one of the same scope and provider."""
        return self._transport.put("/keys", ProviderKey, key)

    def remove_key(self, key_id: str) -> None:
        self._transport.request("DELETE", f"/keys/{key_id}")

    def schedules(self, project_id: str) -> Iterator[Schedule]:
        return self._pages(f"/projects/{project_id}/schedules", Schedule)

    def schedule(self, schedule_id: str) -> Schedule:
        return self._transport.get(f"/schedules/{schedule_id}", Schedule)

    def add_schedule(self, project_id: str, schedule: ScheduleInput) -> Schedule:
        return self._transport.post(f"/projects/{project_id}/schedules", Schedule, schedule)

    def edit_schedule(self, schedule_id: str, patch: SchedulePatch, *, version: int) -> Schedule:
        return self._transport.patch(f"/schedules/{schedule_id}", Schedule, patch, version=version)

    def remove_schedule(self, schedule_id: str) -> None:
        self._transport.request("DELETE", f"/schedules/{schedule_id}")

    def run_schedule(self, schedule_id: str) -> Task:
        """Makes its task now."""
        return self._transport.post(f"/schedules/{schedule_id}/run", Task)

    def send_event(self, event: PlainEvent) -> Reception:
        return self._transport.post("/events", Reception, event)

    def received_events(self, *, matched: bool | None = None) -> Iterator[ReceivedEvent]:
        return self._pages("/received-events", ReceivedEvent, matched=matched)

    def event_rules(self, project_id: str) -> Iterator[EventRule]:
        return self._pages(f"/projects/{project_id}/event-rules", EventRule)

    def add_event_rule(self, project_id: str, rule: EventRuleInput) -> EventRule:
        return self._transport.post(f"/projects/{project_id}/event-rules", EventRule, rule)

    def remove_event_rule(self, rule_id: str) -> None:
        self._transport.request("DELETE", f"/event-rules/{rule_id}")

    def webhooks(self, project_id: str) -> Iterator[Webhook]:
        """With what came of their newest deliveries; without the secrets."""
        return self._pages(f"/projects/{project_id}/webhooks", Webhook)

    def add_webhook(self, project_id: str, webhook: WebhookInput) -> Webhook:
        """Its secret is shown this once."""
        return self._transport.post(f"/projects/{project_id}/webhooks", Webhook, webhook)

    def remove_webhook(self, project_id: str, webhook_id: str) -> None:
        self._transport.request("DELETE", f"/projects/{project_id}/webhooks/{webhook_id}")

    def audit(self, *, target: str | None = None) -> Iterator[AuditEntry]:
        """Who did what, the newest first; ``target`` is the id of what was changed."""
        return self._pages("/audit", AuditEntry, target=target)

    def tokens(self) -> Iterator[Token]:
        return self._pages("/tokens", Token)

    def add_token(self, token: TokenInput) -> Token:
        return self._transport.post("/tokens", Token, token)

    def revoke_token(self, token_id: str) -> None:
        self._transport.request("DELETE", f"/tokens/{token_id}")

    def _pages(self, path: str, model: type[ItemT], **query: Any) -> Iterator[ItemT]:
        cursor: str | None = None
        while True:
            page = self._transport.get(path, Page[model], {**query, "cursor": cursor, "limit": PAGE_ITEMS})
            yield from page.items
            cursor = page.next
            if cursor is None:
                return
