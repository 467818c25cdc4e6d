import { putTasks } from "../../api/board";
import { api, once, type Task, taken } from "../../api/client";
import { Kept } from "../../api/outbox";
import { queryClient } from "../../api/queries";
import { toast, toastError } from "../../lib/toasts";
import type { Column } from "./columns";

/** What can be done to tasks on the board. Each shows at once, and is taken back where it is refused. */

type Place = { place: "front" | "end" } | { place: "before" | "after"; task_id: string };

const path = (task: Task, deed: string) => {
  const header = once(`${deed} #${task.number}: ${task.title}`);
  return { params: { path: { task_id: task.id }, header } } as const;
};

async function optimistic(task: Task, guess: Partial<Task>, ask: () => Promise<Task>): Promise<boolean> {
  putTasks([{ ...task, ...guess }]);
  try {
    putTasks([await ask()]);
    return true;
  } catch (problem) {
    // What is kept shows as it will be; a refusal reads the board anew.
    if (!(problem instanceof Kept)) putTasks([task]);
    toastError(problem as Error);
    return false;
  }
}

export const canCancel = (task: Task) => ["pending", "queued", "running", "waiting"].includes(task.state);
export const canRetry = (task: Task) => task.state === "failed" || task.state === "cancelled";
export const canMove = (task: Task) => task.state === "queued" || task.state === "pending";

export const cancel = (task: Task) =>
  optimistic(task, {}, () => taken(api.POST("/api/v1/tasks/{task_id}/cancel", path(task, "Cancel"))));

export const retry = (task: Task) =>
  optimistic(task, { state: "queued", reason: null, message: "" }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/retry", path(task, "Try again"))),
  );

/** Whatever it overlaps with. */
export const requeue = (task: Task) =>
  optimistic(task, { state: "queued", pending_reason: null }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/requeue", path(task, "Queue"))),
  );

export const ready = (task: Task) =>
  optimistic(task, { state: "queued", pending_reason: null, draft: false }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/ready", path(task, "Queue"))),
  );

export const holdBack = (task: Task) =>
  optimistic(task, { state: "pending", pending_reason: "draft", draft: true }, () =>
    taken(api.PATCH("/api/v1/tasks/{task_id}", { ...path(task, "Hold back"), body: { draft: true } })),
  );

export const setPriority = (task: Task, priority: number) =>
  optimistic(task, { priority }, () =>
    taken(api.PATCH("/api/v1/tasks/{task_id}", { ...path(task, "Set the priority of"), body: { priority } })),
  );

export async function move(task: Task, place: Place, guess: Partial<Task>) {
  const done = await optimistic(task, guess, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/move", { ...path(task, "Move"), body: place })),
  );
  // To make room the neighbours may have been moved, too.
  if (done) await queryClient.invalidateQueries({ queryKey: ["board"] });
}

/** Up or down by one among those that wait in its project. */
export function step(task: Task, order: Task[], by: -1 | 1) {
  const mine = order.filter((one) => one.project_id === task.project_id);
  const beside = mine[mine.findIndex((one) => one.id === task.id) + by];
  if (beside) void moveBeside(task, beside, by < 0 ? "before" : "after");
}

export const moveBeside = (task: Task, beside: Task, place: "before" | "after") =>
  move(
    task,
    { place, task_id: beside.id },
    { priority: beside.priority, position: beside.position + (place === "before" ? -0.5 : 0.5) },
  );

export function toTheFront(task: Task, order: Task[]) {
  const first = order.find((one) => one.project_id === task.project_id) ?? task;
  return move(task, { place: "front" }, { priority: first.priority, position: first.position - 0.5 });
}

export function toTheEnd(task: Task, order: Task[]) {
  const last = order.findLast((one) => one.project_id === task.project_id) ?? task;
  return move(task, { place: "end" }, { priority: last.priority, position: last.position + 0.5 });
}

/** Whether a card may be dropped into a column, and what that does. */
export function dropInto(task: Task, from: Column, to: Column): (() => Promise<unknown>) | undefined {
  if (to === "Queued" && from === "Backlog" && task.draft) return () => ready(task);
  if (to === "Queued" && from === "Failed") return () => retry(task);
  if (to === "Backlog" && from === "Queued") return () => holdBack(task);
  return undefined;
}

/** One after the other, so that a hundred of them don't crowd out what people do meanwhile. */
export async function each(tasks: Task[], what: string, act: (task: Task) => Promise<boolean>) {
  let done = 0;
  for (const task of tasks) if (await act(task)) done += 1;
  if (done > 0) toast(`${what}: ${done} of ${tasks.length}.`);
}
