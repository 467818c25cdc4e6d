import type { Task } from "../../api/client";
import { holdBack, move, ready, retry } from "../../api/tasks";
import { toast } from "../../lib/toasts";
import type { Column } from "./columns";

/** What can be done to tasks by their place on the board, and to several at once. */

/** Up or down by one among those that wait in its project. */
export async function step(task: Task, order: Task[], by: -1 | 1) {
  const mine = order.filter((one) => one.project_id === task.project_id);
  const beside = mine[mine.findIndex((one) => one.id === task.id) + by];
  if (beside) await moveBeside(task, beside, by < 0 ? "before" : "after");
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
