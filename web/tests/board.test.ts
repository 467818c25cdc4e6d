import "fake-indexeddb/auto";
import { QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** The coordinator in small: what it answers is what it knew when it was asked. */
type Thing = Record<string, unknown> & { id: string };
const TASK = { id: "task_1", project_id: "proj_1", state: "queued" };
const RUN = { id: "exec_1", task_id: "task_1", project_id: "proj_1", assigned_at: "2026-01-01T00:00:01Z" };
let tasks: Thing[] = [];
let executions: Thing[] = [];
/** A status instead of answers. */
let refuses = 0;
/** While it is set, answers are under way and come once they are let go. */
let held: (() => void)[] | undefined;
let reads: string[] = [];
let socket: Socket;

class Socket {
  static OPEN = 1;
  static CONNECTING = 0;
  readyState = 0;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;

  constructor() {
    socket = this;
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(raw: string) {
    if (JSON.parse(raw).type === "subscribe-events") this.say({ type: "subscribed", cursor: 1 });
  }

  say(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  close() {
    this.readyState = 3;
  }
}

function columns() {
  const pages: Record<string, { items: Thing[]; next: null }> = {};
  for (const task of tasks) {
    const state = String(task.state);
    pages[state] = { items: [...(pages[state]?.items ?? []), task], next: null };
  }
  return pages;
}

function answer({ pathname, searchParams }: URL) {
  const [what, id] = pathname.replace("/api/v1/", "").split("/");
  const all = what === "tasks" ? tasks : what === "executions" ? executions : [];
  if (id) return all.find((one) => one.id === id);
  const state = searchParams.get("state");
  if (what === "board") return { columns: columns(), executions, changes: [], changed: [] };
  return { items: all.filter((one) => what !== "tasks" || !state || one.state === state), next: null };
}

async function ask(request: Request) {
  const url = new URL(request.url);
  reads.push(url.pathname + url.search);
  const status = refuses;
  const body = JSON.stringify(status ? { detail: "Not now.", code: "busy" } : answer(url));
  if (held) await new Promise<void>((resolve) => held?.push(resolve));
  return new Response(body, { status: status || 200, headers: { "Content-Type": "application/json" } });
}

function letGo() {
  const all = held;
  held = undefined;
  for (const one of all ?? []) one();
  return soon();
}
const soon = () => vi.advanceTimersByTimeAsync(3_000);
const tell = (news: object) =>
  socket.say({ type: "task-update", kind: "task.running", cursor: 2, payload: {}, ...news });
const tellTask = (task: Thing) => tell({ task_id: task.id, project_id: "proj_1", task });
let leave: (() => void)[] = [];

/** A page that shows the board, as the pages do. */
async function start() {
  const [live, board, queries] = await Promise.all([
    import("../src/api/live"),
    import("../src/api/board"),
    import("../src/api/queries"),
  ]);
  board.mendBoards();
  leave.push(live.goLive());
  await soon();
  const { queryClient } = queries;
  const key = board.boardQuery(undefined).queryKey;
  const show = (project?: string) => {
    leave.push(new QueryObserver(queryClient, board.boardQuery(project)).subscribe(() => undefined));
    return soon();
  };
  const shown = (id = "task_1") => queryClient.getQueryData(key)?.tasks.get(id)?.state;
  return { ...board, ...queries, key, show, shown };
}

beforeEach(() => {
  vi.resetModules();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("location", { origin: "http://127.0.0.1:9", href: "http://127.0.0.1:9/" });
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("fetch", ask);
  [tasks, executions, refuses, held, reads, leave] = [[TASK], [RUN], 0, undefined, [], []];
});

afterEach(() => {
  for (const one of leave) one();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a task and an execution that come with the news are shown, and not asked for", async () => {
  const page = await start();
  await page.show();
  reads = [];
  const task = { ...TASK, state: "running" };
  const execution = { ...RUN, attempt: 2 };
  tell({ type: "execution-update", task_id: task.id, task, execution_id: execution.id, execution });
  await soon();
  expect(page.shown()).toBe("running");
  expect(page.queryClient.getQueryData(page.key)?.executions.get("task_1")).toMatchObject({ attempt: 2 });
  expect(reads).toEqual([]);
});

test("a board that could not be read says so and is read again, whatever is told meanwhile", async () => {
  const page = await start();
  await page.show();
  tasks = [{ ...TASK, state: "running" }];
  refuses = 429;
  page.queryClient.invalidateQueries({ queryKey: ["board"] });
  await soon();
  tellTask({ ...TASK, id: "task_2", state: "running" });
  await soon();
  const { error, isInvalidated } = page.queryClient.getQueryState(page.key) ?? {};
  expect([page.shown(), page.shown("task_2"), error?.message, isInvalidated]).toEqual([
    "queued",
    "running",
    "Not now.",
    true,
  ]);
  refuses = 0;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(page.shown()).toBe("running");
});

test("a board that is not shown stays one that has to be read, whatever is told meanwhile", async () => {
  const page = await start();
  await page.show();
  const kept = page.boardQuery("proj_1").queryKey;
  page.queryClient.setQueryData(kept, page.queryClient.getQueryData(page.key));
  tell({ type: "worker-update", kind: "worker.offline" });
  await soon();
  tellTask({ ...TASK, state: "running" });
  await soon();
  expect(page.queryClient.getQueryData(kept)?.tasks.get("task_1")?.state).toBe("running");
  expect(page.queryClient.getQueryState(kept)?.isInvalidated).toBe(true);
});

test("what is shown and has changed since it was read is read with the next heartbeat", async () => {
  const page = await start();
  await page.show();
  tasks = [{ ...TASK, state: "running" }];
  page.queryClient.invalidateQueries({ queryKey: ["board"], refetchType: "none" });
  await vi.advanceTimersByTimeAsync(15_000);
  expect(page.shown()).toBe("running");
});

test("an answer that was under way is not put over what was told meanwhile", async () => {
  const page = await start();
  held = [];
  await page.show();
  tellTask({ ...TASK, state: "running" });
  await soon();
  await letGo();
  expect(page.shown()).toBe("running");
  held = [];
  page.queryClient.invalidateQueries({ queryKey: ["board"] });
  await soon();
  tellTask({ ...TASK, state: "completed" });
  await soon();
  expect(page.shown()).toBe("completed");
  await letGo();
  expect(page.shown()).toBe("completed");
});

test("a page of a column that was under way is not put over what was told meanwhile", async () => {
  const page = await start();
  await page.show();
  page.queryClient.setQueryData(page.key, (old) => old && { ...old, next: { ...old.next, queued: "2" } });
  held = [];
  const more = page.readMore(undefined, "queued");
  await soon();
  tellTask({ ...TASK, state: "running" });
  await soon();
  await letGo();
  await more;
  expect(page.shown()).toBe("running");
  expect(page.queryClient.getQueryData(page.key)?.next.queued).toBe(null);
});

test("a read ends however many workers come and go, and what they changed is read after it", async () => {
  const page = await start();
  await page.show();
  held = [];
  reads = [];
  const lists = () => reads.filter((read) => read.endsWith("/board")).length;
  for (let worker = 0; worker < 3; worker += 1) {
    tell({ type: "worker-update", kind: "worker.offline" });
    await vi.advanceTimersByTimeAsync(1_500);
  }
  expect(lists()).toBe(1);
  tasks = [{ ...TASK, reason: "no worker" }];
  await letGo();
  expect(lists()).toBe(2);
  expect(page.queryClient.getQueryData(page.key)?.tasks.get("task_1")).toMatchObject({ reason: "no worker" });
});

test("a read that does not end is given up for the next", async () => {
  const page = await start();
  await page.show();
  held = [];
  tell({ type: "worker-update", kind: "worker.offline" });
  await soon();
  tasks = [{ ...TASK, state: "running" }];
  tell({ type: "worker-update", kind: "worker.online" });
  await soon();
  held = undefined;
  await vi.advanceTimersByTimeAsync(12_000);
  expect(page.shown()).toBe("running");
});

test("a task that waits no more is not counted by a list that was under way", async () => {
  const { queryClient, waitingQuery } = await start();
  tasks = [{ ...TASK, state: "waiting" }];
  held = [];
  leave.push(new QueryObserver(queryClient, waitingQuery).subscribe(() => undefined));
  await soon();
  tasks = [{ ...TASK, state: "running" }];
  tellTask({ ...TASK, state: "running" });
  await soon();
  await letGo();
  expect(queryClient.getQueryData(waitingQuery.queryKey)).toEqual([]);
  reads = [];
  tellTask({ ...TASK, id: "task_2", state: "running" });
  await soon();
  expect(reads).toEqual([]);
});

test("a task's first read is not put over what was told meanwhile", async () => {
  const { queryClient, taskQuery } = await start();
  held = [];
  leave.push(new QueryObserver(queryClient, taskQuery(TASK.id)).subscribe(() => undefined));
  await soon();
  tasks = [{ ...TASK, state: "running" }];
  tellTask({ ...TASK, state: "running" });
  await soon();
  await letGo();
  expect(queryClient.getQueryData(taskQuery(TASK.id).queryKey)?.state).toBe("running");
});

test("an older execution that had to be read is not put over the newer one that came with the news", async () => {
  const page = await start();
  await page.show();
  const execution = { ...RUN, id: "exec_2", assigned_at: "2026-01-01T00:00:02.5Z" };
  for (const news of [{ execution_id: RUN.id }, { execution_id: execution.id, execution }])
    tell({ type: "execution-update", task_id: TASK.id, task: TASK, ...news });
  await soon();
  const shown = () => page.queryClient.getQueryData(page.key)?.executions.get(TASK.id);
  expect(shown()?.id).toBe("exec_2");
  const changed = { ...execution, attempt: 2 };
  tell({
    type: "execution-update",
    task_id: TASK.id,
    task: TASK,
    execution_id: "exec_2",
    execution: changed,
  });
  await soon();
  expect(shown()).toEqual(changed);
});
