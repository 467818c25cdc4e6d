import { toast, toastError } from "../lib/toasts";
import { putTasks, readTask } from "./board";
import { api, once, type Task, taken } from "./client";
import { queryClient, taskQuery } from "./queries";

/** What can be done to a task. Each deed shows at once, and is taken back where it is refused. */

export type Place = { place: "front" | "end" } | { place: "before" | "after"; task_id: string };

// Nothing of this waits in the outbox: hours later it may be wrong, and nobody looks any more.
const path = (task: Task) => ({ params: { path: { task_id: task.id }, header: once() } }) as const;

async function optimistic(task: Task, guess: Partial<Task>, ask: () => Promise<Task>): Promise<boolean> {
  putTasks([{ ...task, ...guess }]);
  try {
    putTasks([await ask()]);
    return true;
  } catch (problem) {
    toastError(problem as Error);
    await takeBack(task);
    return false;
  }
}

/** Something else may have become of the task since; as it was it is shown only where nobody can be asked. */
async function takeBack(task: Task) {
  const now = await readTask(task.id);
  if (now === null) return putTasks([], [], [task.id]);
  putTasks([now ?? task]);
  if (now) return;
  void queryClient.invalidateQueries({ queryKey: ["board"] });
  void queryClient.invalidateQueries({ queryKey: taskQuery(task.id).queryKey });
}

/** By a worker, which has a say in what becomes of it. */
const isHeld = (task: Task) => task.state === "running" || task.state === "waiting";
export const canCancel = (task: Task) => ["pending", "queued", "running", "waiting"].includes(task.state);
export const canRetry = (task: Task) => task.state === "failed" || task.state === "cancelled";
export const canMove = (task: Task) => task.state === "queued" || task.state === "pending";

export async function cancel(task: Task) {
  const done = await optimistic(task, {}, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/cancel", path(task))),
  );
  if (done && isHeld(task)) toast("Its worker is told to stop, and saves what is unfinished.");
  return done;
}

/** With `resume` it goes on from the unfinished work that was saved. */
export const retry = (task: Task, { resume = false } = {}) =>
  optimistic(task, { state: "queued", reason: null, message: "" }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/retry", { ...path(task), body: { resume } })),
  );

/** Whatever it overlaps with; one that is under way is taken from its worker, which uses up no try. */
export const requeue = (task: Task) =>
  optimistic(task, isHeld(task) ? {} : { state: "queued", pending_reason: null }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/requeue", path(task))),
  );

export const ready = (task: Task) =>
  optimistic(task, { state: "queued", pending_reason: null, draft: false }, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/ready", path(task))),
  );

export const holdBack = (task: Task) =>
  optimistic(task, { state: "pending", pending_reason: "draft", draft: true }, () =>
    taken(api.PATCH("/api/v1/tasks/{task_id}", { ...path(task), body: { draft: true } })),
  );

export const setPriority = (task: Task, priority: number) =>
  optimistic(task, { priority }, () =>
    taken(api.PATCH("/api/v1/tasks/{task_id}", { ...path(task), body: { priority } })),
  );

export async function move(task: Task, place: Place, guess: Partial<Task>) {
  const done = await optimistic(task, guess, () =>
    taken(api.POST("/api/v1/tasks/{task_id}/move", { ...path(task), body: place })),
  );
  // To make room the neighbours may have been moved, too.
  if (done) await queryClient.invalidateQueries({ queryKey: ["board"] });
}

/** To the front or the end of its project's queue. */
export const moveToEdge = (task: Task, place: "front" | "end") => move(task, { place }, {});
