import type { Task } from "../../api/client";

export const COLUMNS = ["Backlog", "Queued", "Running", "Needs you", "In review", "Done", "Failed"] as const;
export type Column = (typeof COLUMNS)[number];

/** Where a task stands on the board; a delivered task is in review while its change is open. */
export function columnOf(task: Task, openChanges: ReadonlySet<string>): Column {
  switch (task.state) {
    case "pending":
      return "Backlog";
    case "queued":
      return "Queued";
    case "running":
      return "Running";
    case "waiting":
      return "Needs you";
    case "completed":
      return task.change_id && openChanges.has(task.change_id) ? "In review" : "Done";
    default:
      return "Failed";
  }
}
