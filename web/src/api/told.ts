import { words } from "../lib/words";
import type { components } from "./schema";
import type { News } from "./stale";

/** What people are told of, on whichever page, and by their devices while none is open. */
export type Kind = "needs-you" | "review" | "failed" | "automation" | "worker" | "budget";

export const KINDS: { kind: Kind; name: string; about: string }[] = [
  { kind: "needs-you", name: "Needs you", about: "an agent, an approval or a change waits for you" },
  { kind: "review", name: "Ready for review", about: "a change was published, or candidates to choose from" },
  { kind: "failed", name: "Task failed", about: "and no try is left" },
  { kind: "automation", name: "Automation halted", about: "a failure stopped it, or it asks for you" },
  { kind: "worker", name: "Worker in trouble", about: "it was quarantined, or its connection is lost" },
  { kind: "budget", name: "Budget", about: "one is nearly or wholly spent" },
];

export type Told = {
  id: number;
  kind: Kind;
  text: string;
  at: string;
  taskId: string | null;
  changeId: string | null;
  comparisonId: string | null;
  projectId: string | null;
};

type ToldEvent = components["schemas"]["PushDeviceInput"]["events"][number];

const OF: Record<ToldEvent, Kind> = {
  "execution.waiting_input": "needs-you",
  "change.needs-person": "needs-you",
  "change.open": "review",
  "comparison.ready": "review",
  "task.failed": "failed",
  "automation.halted": "automation",
  "automation.escalated": "automation",
  "worker.quarantined": "worker",
  "worker.offline": "worker",
  "budget.near": "budget",
  "budget.spent": "budget",
};

const said = (value: unknown) => (typeof value === "string" ? value : "");

/** None: nobody has to be told of it. */
export function toldBy({ kind, cursor, payload, at, task_id, project_id }: Omit<News, "type">): Told | null {
  const mine = (OF as Record<string, Kind | undefined>)[kind];
  if (!mine) return null;
  const text =
    said(payload.question) ||
    said(payload.attention) ||
    said(payload.message) ||
    words(said(payload.reason)) ||
    said(payload.name) ||
    said(payload.branch) ||
    (kind === "comparison.ready" ? "candidates to choose from" : "") ||
    words(kind.split(".").at(-1) ?? "");
  return {
    id: cursor,
    kind: mine,
    text,
    at,
    taskId: task_id,
    changeId: said(payload.change_id) || null,
    comparisonId: said(payload.comparison_id) || null,
    projectId: project_id,
  };
}

/** The events of all kinds but these. */
export function eventsBut(silent: Kind[]): ToldEvent[] {
  return (Object.keys(OF) as ToldEvent[]).filter((event) => !silent.includes(OF[event]));
}

export function addressOf(one: Told): string {
  if (one.comparisonId) return `/comparisons/${one.comparisonId}`;
  if (one.changeId) return `/changes/${one.changeId}`;
  if (one.taskId) return `/tasks/${one.taskId}`;
  if (one.kind === "automation" && one.projectId) return `/automation/${one.projectId}`;
  return one.kind === "budget" ? "/costs" : "/workers";
}
