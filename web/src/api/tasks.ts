import { toast, toastError } from "../lib/toasts";
import { putTasks } from "./board";
import { api, once, type Task, taken } from "./client";
import { Kept } from "./outbox";
import { queryClient } from "./queries";

/** What can be done to a task. Each deed shows at once, and is taken back where it is refused. */

export type Place = { place: "front" | "end" } | { place: "before" | "after"; task_id: string };

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

/** By a worker, which has a say in what becomes of it. */
const isHeld = (task: Task) => task.state === "running" || task.state === "waiting";
export const canCancel = (task: Task) => ["pending", "queued", "running", "waiting"].includes(task.state);
export const canRetry = (task: Task) => task.state === "failed" || task.state === "cancelled";
export const canMove = (task: Task) => task.state === "queued" || task.state === "pending";

export async function cancel(task: Task) {
  const done = await optimistic(task, {}, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/cancel", path(task, "Cancel"))),
  );
  if (done && isHeld(task)) toast("Its worker is told to stop, and saves what is unfinished.");
  return done;
}

/** With `resume` it goes on from the unfinished work that was saved. */
export const retry = (task: Task, { resume = false } = {}) =>
  optimistic(task, { state: "queued", reason: null, message: "" }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/retry", { ...path(task, "Try again"), body: { resume } })),
  );

/** Whatever it overlaps with; one that is under way is taken from its worker, which uses up no try. */
export const requeue = (task: Task) =>
  optimistic(task, isHeld(task) ? {} : { state: "queued", pending_reason: null }, () =>
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

/** To the front or the end of its project's queue. */
export const moveToEdge = (task: Task, place: "front" | "end") => move(task, { place }, {});
