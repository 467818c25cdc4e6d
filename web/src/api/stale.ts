import type { Query, QueryKey } from "@tanstack/react-query";
import { mayPass } from "../lib/problems";
import type { Change, Execution, Task } from "./client";
import { ended, queryClient, readAnew, waitingQuery } from "./queries";

/** One event of the feed, as the stream brings it. */
export type News = {
  type: string;
  cursor: number;
  kind: string;
  project_id: string | null;
  task_id: string | null;
  execution_id: string | null;
  payload: Record<string, unknown>;
  at: string;
  /** As they are now, where they came with it. */
  task?: Task;
  execution?: Execution;
};

/** The first of a burst refreshes at once, the rest of it together. */
const BURST_MS = 400;

const keys = new Map<string, QueryKey>();
let waits = false;
let flushedAt = 0;

function flush() {
  waits = false;
  flushedAt = performance.now();
  for (const queryKey of keys.values()) readAnew(queryKey);
  keys.clear();
}

function add(...added: QueryKey[]) {
  for (const key of added) keys.set(JSON.stringify(key), key);
  if (waits) return;
  waits = true;
  setTimeout(flush, Math.max(0, flushedAt + BURST_MS - performance.now()));
}

/** The lists and single things that an event may have changed; what no page shows is only marked. */
export function newsMakesStale(news: News) {
  const { type, task_id, execution_id, project_id } = news;
  if (task_id) add(...staleTasks(task_id, news.task), ["executions", task_id]);
  if (execution_id) add(["executions", execution_id]);
  if (project_id) add(["automation", project_id]);
  switch (type) {
    case "task-update":
      add(["queue"], ["comparisons"]);
      if (isResponse(task_id)) add(["changes"]);
      return add(["projects", "standings"]);
    case "automation-update":
    case "project-update":
      return add(["projects"]);
    case "execution-update":
      return add(["workers"]);
    case "worker-update":
      // A task that waits tells which of its labels no worker has.
      return add(["workers"], ["tasks"]);
    case "change-update":
      return add(["changes"], ["comparisons"]);
    case "notification":
      return add(["budgets"], ["keys"], ["costs"], ["comparisons"]);
  }
}

/** What came with the news is put where it belongs (see board.ts): only lists may have to be read. */
function staleTasks(taskId: string, task: Task | undefined): QueryKey[] {
  if (!task)
    return [
      ["tasks", taskId],
      ["tasks", "list"],
    ];
  const stale: QueryKey[] = [["tasks", "list", "newest"]];
  // An answer that is on its way may be older than the news.
  if (queryClient.isFetching({ queryKey: ["tasks", taskId] })) stale.push(["tasks", taskId]);
  if (task.state === "waiting" || isWaiting(taskId)) stale.push(waitingQuery.queryKey);
  else void readIfListed(taskId);
  return stale;
}

const isWaiting = (taskId: string) =>
  queryClient.getQueryData(waitingQuery.queryKey)?.some(({ id }) => id === taskId);

/** Of a task that waits no more: the list of those that do may be on its way, and older. */
async function readIfListed(taskId: string) {
  const reading = queryClient.getQueryCache().find({ ...waitingQuery, fetchStatus: "fetching" });
  if (!reading) return;
  await ended(reading);
  if (isWaiting(taskId)) add(waitingQuery.queryKey);
}

/** Whether a change that is kept here shows the task as one that goes on with it. */
const isResponse = (taskId: string | null) =>
  queryClient
    .getQueriesData<Change | Change[]>({ queryKey: ["changes"] })
    .flatMap(([, kept]) => kept ?? [])
    .some(({ responses }) => responses?.some(({ task_id }) => task_id === taskId));

/** Reads everything that is shown anew, or one thing by the first part of its key. */
export function everythingIsStale(name?: string) {
  queryClient.invalidateQueries(name ? { queryKey: [name] } : undefined);
}

/** Reads again what is shown and could not be read, or not since it changed. */
export function readWhatFailed() {
  void queryClient.refetchQueries({
    type: "active",
    predicate: ({ state }) => state.isInvalidated || state.status === "error",
  });
}

/** Reads again what is shown and could not be read, or not since it changed, although there is a connection. */
export function readWhatMayPass() {
  const predicate = ({ state }: Query) => (state.error ? mayPass(state.error) : state.isInvalidated);
  void queryClient.refetchQueries({ type: "active", predicate }, { cancelRefetch: false });
}
