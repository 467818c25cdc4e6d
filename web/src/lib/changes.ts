import type { Change } from "../api/client";

/** What a change's facts mean to somebody who decides over it; shared by the pages that show changes. */

export type Size = { files: number; added: number; removed: number };

export function sizeOf({ diffstat }: Change): Size {
  const { files, additions, deletions } = diffstat as {
    files?: unknown[];
    additions?: number;
    deletions?: number;
  };
  return { files: files?.length ?? 0, added: additions ?? 0, removed: deletions ?? 0 };
}

type Proof = {
  passed?: boolean;
  envelope?: object | null;
  commands?: unknown[];
  sandbox?: { name?: string };
};

/** How far its verification can be relied on, with the tone in which that is told. */
export function receiptLevel({ receipt }: Change): { level: string; tone: "good" | "bad" | "quiet" } {
  const { passed, envelope, commands = [] } = (receipt ?? {}) as Proof;
  if (!receipt || commands.length === 0) return { level: "not verified", tone: "bad" };
  if (!passed) return { level: "verification failed", tone: "bad" };
  return envelope ? { level: "verified, signed", tone: "good" } : { level: "verified", tone: "good" };
}

export const underWay = ({ errand }: Change) =>
  errand?.state === "requested" || errand?.state === "assigned" ? errand.kind : null;

const FINAL = ["completed", "failed", "cancelled"];

/** The response that an agent is at, or is to be. */
export const respondingTask = ({ responses }: Change) =>
  responses?.find(({ state }) => !FINAL.includes(state));

/** What keeps it from being merged as it is, each in a few words. */
export function problemsOf(change: Change): string[] {
  const { attention, conflicts = [], forge_status, errand } = change;
  const base = conflicts.some(({ change_id }) => change_id === null);
  return [
    ...(attention ? ["needs attention"] : []),
    ...(base ? [`conflicts with ${change.base_branch}`] : []),
    ...(forge_status?.checks === "failing" ? ["checks fail"] : []),
    ...(errand?.state === "failed" ? [`${errand.kind} failed`] : []),
    ...(receiptLevel(change).tone === "bad" ? [receiptLevel(change).level] : []),
  ];
}

/** Other open changes of which only one can be merged without work on the other. */
export const collisions = ({ conflicts = [] }: Change) =>
  conflicts.filter((one): one is typeof one & { change_id: string } => one.change_id != null);
