import type { Board } from "../../api/board";
import type { Project, Task, TaskState } from "../../api/client";
import { seeker } from "../../lib/search";

export const COLUMNS = ["Backlog", "Queued", "Running", "Needs you", "In review", "Done", "Failed"] as const;
export type Column = (typeof COLUMNS)[number];

/** The states of which more can be read for a column. */
export const STATES_OF: Record<Column, TaskState[]> = {
  Backlog: ["pending"],
  Queued: ["queued"],
  Running: ["running"],
  "Needs you": ["waiting"],
  "In review": [],
  Done: ["completed"],
  Failed: ["failed", "cancelled"],
};

/** Where a task stands on the board; a delivered task is in review while its change is open. */
export function columnOf(task: Task, openChanges: Board["openChanges"]): Column {
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

/** The order of the claim, as far as one worker goes through one project. */
export const byTurn = (left: Task, right: Task) =>
  right.priority - left.priority || left.position - right.position || left.number - right.number;

const byChange = (left: Task, right: Task) => (left.updated_at < right.updated_at ? 1 : -1);

export function sorted(column: Column, tasks: Task[]): Task[] {
  return tasks.sort(column === "Queued" || column === "Backlog" ? byTurn : byChange);
}

export type Filters = { project?: string; agent?: string; label?: string; q?: string };

export const agentOf = (task: Task, project: Project | undefined) =>
  task.agent?.name ?? project?.agent.name ?? "";

export function filtered(board: Board, projects: Map<string, Project>, filters: Filters): Task[] {
  const sought = seeker(filters.q);
  return [...board.tasks.values()].filter((task) => {
    const project = projects.get(task.project_id);
    return (
      (!filters.project || task.project_id === filters.project) &&
      (!filters.agent || agentOf(task, project) === filters.agent) &&
      (!filters.label || task.labels.includes(filters.label)) &&
      sought(`${task.title} ${project?.name ?? ""}#${task.number} ${task.labels.join(" ")}`)
    );
  });
}

export function byColumn(tasks: Task[], openChanges: Board["openChanges"]): Map<Column, Task[]> {
  const columns = new Map<Column, Task[]>(COLUMNS.map((column) => [column, []]));
  for (const task of tasks) columns.get(columnOf(task, openChanges))?.push(task);
  for (const [column, its] of columns) sorted(column, its);
  return columns;
}
