import { type QueryKey, queryOptions } from "@tanstack/react-query";
import { ApiProblem, api, type Change, type Execution, type Task, type TaskState, taken } from "./client";
import { onNews } from "./live";
import { queryClient, readAnew, taskQuery } from "./queries";
import type { News } from "./stale";

/** The board's tasks. The feed mends them one by one, because to read them all anew takes many requests. */

export const STATES = [
  "pending",
  "queued",
  "running",
  "waiting",
  "completed",
  "failed",
  "cancelled",
] as const satisfies TaskState[];
const PAGE = 100;
/** So many tasks of one burst are read one by one; more are read as lists. */
const SINGLY = 12;
const BURST_MS = 60;

export type Board = {
  tasks: ReadonlyMap<string, Task>;
  /** The newest execution of the tasks, as far as it is recent. */
  executions: ReadonlyMap<string, Execution>;
  openChanges: ReadonlyMap<string, Change>;
  /** By state, where the next page begins; null: all are here. */
  next: Record<TaskState, string | null>;
};

const page = (state: TaskState, project_id: string | undefined, cursor?: string) =>
  taken(api.GET("/api/v1/tasks", { params: { query: { state, project_id, cursor, limit: PAGE } } }));

async function readAll(project_id: string | undefined): Promise<Board> {
  const { columns, executions, changes, changed } = await taken(
    api.GET("/api/v1/board", { params: { query: { project_id } } }),
  );
  const listed = STATES.flatMap((state) => columns[state]?.items ?? []);
  return {
    tasks: new Map([...changed, ...listed].map((task) => [task.id, task])),
    // Newest first: of several executions of a task the newest is set last.
    executions: new Map(executions.toReversed().map((one) => [one.task_id, one])),
    openChanges: new Map(changes.map((change) => [change.id, change])),
    next: Object.fromEntries(STATES.map((state) => [state, columns[state]?.next ?? null])) as Board["next"],
  };
}

/** Null: there is none. What could not be asked stays as it was. */
function unlessGone(problem: unknown): null | undefined {
  return problem instanceof ApiProblem && problem.status === 404 ? null : undefined;
}

export const readTask = (task_id: string) =>
  taken(api.GET("/api/v1/tasks/{task_id}", { params: { path: { task_id } } })).catch(unlessGone);
const readExecution = (execution_id: string) =>
  taken(api.GET("/api/v1/executions/{execution_id}", { params: { path: { execution_id } } })).catch(
    unlessGone,
  );
const readChange = (change_id: string) =>
  taken(api.GET("/api/v1/changes/{change_id}", { params: { path: { change_id } } })).catch(unlessGone);

export const boardQuery = (projectId: string | undefined) =>
  queryOptions({
    queryKey: ["board", projectId ?? ""],
    queryFn: async () => {
      const [board, putMeanwhile] = await hearing(readAll(projectId));
      return putMeanwhile(board, projectId ?? "");
    },
    staleTime: 60_000,
    structuralSharing: false,
  });

/** Adds the next page of a state to what is there. */
export async function readMore(projectId: string | undefined, state: TaskState) {
  const key = boardQuery(projectId).queryKey;
  const cursor = queryClient.getQueryData(key)?.next[state];
  if (!cursor) return;
  const [{ items, next }, putMeanwhile] = await hearing(page(state, projectId, cursor));
  const add: Put = (board) => {
    const tasks = new Map(board.tasks);
    for (const task of items) tasks.set(task.id, task);
    return { ...board, tasks, next: { ...board.next, [state]: next ?? null } };
  };
  putOnto(key, (board, project) => putMeanwhile(add(board, project), project));
}

type Put = (board: Board, project: string) => Board;
/** Of each read that is under way, what was put since it began. */
const underWay = new Set<Put[]>();

/** The answer, and what puts all that was put meanwhile once more: the answer may be older. */
async function hearing<Answer>(asked: Promise<Answer>): Promise<[Answer, Put]> {
  const puts: Put[] = [];
  underWay.add(puts);
  try {
    const answer = await asked;
    return [answer, (board, project) => puts.reduce((now, change) => change(now, project), board)];
  } finally {
    underWay.delete(puts);
  }
}

/** Puts onto every board that is kept, and that is being read. */
function put(change: Put) {
  for (const puts of underWay) puts.push(change);
  putOnto(["board"], change);
}

/** What could not be read, or has to be read again, still has to be. */
function putOnto(queryKey: QueryKey, change: Put) {
  for (const query of queryClient.getQueryCache().findAll({ queryKey })) {
    const board = query.state.data as Board | undefined;
    // `setQueryData` would make it look like one that was just read.
    if (board) query.setState({ data: change(board, String(query.queryKey[1])), dataUpdatedAt: Date.now() });
  }
}

/** Puts what is known of some tasks into every board that is kept, and onto their own pages. */
export function putTasks(changed: Task[], executions: Execution[] = [], gone: string[] = []) {
  for (const task of changed) queryClient.setQueryData(taskQuery(task.id).queryKey, (old) => old && task);
  put((board, project) => {
    const mine = (one: { project_id: string }) => !project || one.project_id === project;
    const tasks = new Map(board.tasks);
    for (const task of changed) if (mine(task)) tasks.set(task.id, task);
    for (const id of gone) tasks.delete(id);
    const newest = new Map(board.executions);
    for (const one of executions)
      if (mine(one) && !isOlder(one, newest.get(one.task_id))) newest.set(one.task_id, one);
    return { ...board, tasks, executions: newest };
  });
}

const isOlder = (one: Execution, than: Execution | undefined) =>
  !!than && one.id !== than.id && Date.parse(one.assigned_at) < Date.parse(than.assigned_at);

function putChanges(changed: Change[], gone: string[]) {
  put((board, project) => {
    const openChanges = new Map(board.openChanges);
    for (const one of changed) {
      if (one.state !== "open") openChanges.delete(one.id);
      else if (!project || one.project_id === project) openChanges.set(one.id, one);
    }
    for (const id of gone) openChanges.delete(id);
    return { ...board, openChanges };
  });
}

/** Undefined: it did not come with the news, and has to be read. */
type Told<One> = Map<string, One | undefined>;

const newBurst = () => ({
  tasks: new Map() as Told<Task>,
  executions: new Map() as Told<Execution>,
  changes: new Set<string>(),
  all: false,
});
let burst: ReturnType<typeof newBurst> | undefined;
let busy = false;
let flushedAt = 0;

function hear({ type, kind, task_id, execution_id, payload, task, execution }: News) {
  const ofExecution = kind === "execution.usage" || kind === "execution.node";
  const ofTask = type === "task-update" || type === "execution-update" || type === "change-update";
  // Which labels workers have decides what tasks are told that wait for one.
  const ofAll = type === "automation-update" || type === "worker-update";
  if (!ofTask && !ofAll) return;
  if (!burst) schedule();
  burst ??= newBurst();
  if (ofAll) burst.all = true;
  if (ofTask && !ofExecution && task_id) burst.tasks.set(task_id, task);
  if (ofTask && execution_id) burst.executions.set(execution_id, execution);
  if (type === "change-update" && typeof payload.change_id === "string") burst.changes.add(payload.change_id);
}

function schedule() {
  if (!busy) setTimeout(flush, Math.max(0, flushedAt + BURST_MS - performance.now()));
}

/** One after the other, so that nothing older is put over what is newer. */
async function flush() {
  const heard = burst ?? newBurst();
  burst = undefined;
  busy = true;
  flushedAt = performance.now();
  try {
    await mend(heard);
  } finally {
    busy = false;
    if (burst) schedule();
  }
}

const known = <One>(told: Told<One>): One[] => [...told.values()].flatMap((one) => one ?? []);
const unknown = (told: Told<unknown>) => [...told].filter(([, one]) => !one).map(([id]) => id);

async function mend(heard: NonNullable<typeof burst>) {
  const told = { tasks: known(heard.tasks), executions: known(heard.executions) };
  const [tasks, executions, changes] = [unknown(heard.tasks), unknown(heard.executions), [...heard.changes]];
  const many = heard.all || Math.max(tasks.length, executions.length, changes.length) > SINGLY;
  // Whoever made that many will make more: wait a little longer with the next ones.
  if (many) flushedAt += 1_000;
  const shown = queryClient.getQueryCache().findAll({ queryKey: ["board"], type: "active" }).length > 0;
  if (many || !shown) {
    putTasks(told.tasks, told.executions);
    return readAnew(["board"]);
  }
  const [read, run, made] = await Promise.all([
    Promise.all(tasks.map(readTask)),
    Promise.all(executions.map(readExecution)),
    Promise.all(changes.map(readChange)),
  ]);
  const gone = tasks.filter((_, place) => read[place] === null);
  putChanges(
    made.filter((one) => !!one),
    changes.filter((_, place) => made[place] === null),
  );
  putTasks(
    [...told.tasks, ...read.filter((one) => !!one)],
    [...told.executions, ...run.filter((one) => !!one)],
    gone,
  );
  if ([...read, ...run, ...made].includes(undefined)) readAnew(["board"]);
}

/** Keeps the boards up to date; call it once. */
export function mendBoards() {
  onNews(hear);
}
