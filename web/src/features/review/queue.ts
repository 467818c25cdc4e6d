import type { Change, Comparison } from "../../api/client";
import { collisions, problemsOf, respondingTask, underWay } from "../../lib/changes";
import { seeker } from "../../lib/search";

/** What becomes of a change next, and thus who has to look at it. */
export const GROUPS = [
  { id: "trouble", name: "Needs you", about: "Something is wrong that nobody mends by themselves." },
  { id: "ready", name: "Ready for review", about: "Nothing stands in the way but your eyes." },
  { id: "later", name: "Not yet", about: "An agent, a worker or the forge's checks are at it." },
] as const;
export type GroupId = (typeof GROUPS)[number]["id"];

export function groupOf(change: Change): GroupId {
  if (underWay(change) || respondingTask(change)) return "later";
  if (problemsOf(change).length > 0) return "trouble";
  return change.forge_status?.checks === "pending" ? "later" : "ready";
}

/** The more urgent first: what a person asked for sooner, then what collides with others, then what waits longest. */
const byUrgency = (left: Change, right: Change) =>
  right.priority - left.priority ||
  collisions(right).length - collisions(left).length ||
  (left.created_at < right.created_at ? -1 : 1);

export type Filters = { project?: string; show?: string; q?: string };

export function queued(changes: Change[], filters: Filters, name: (projectId: string) => string) {
  const sought = seeker(filters.q);
  const fits = ({ project_id, title, task_number, branch }: Change) =>
    (!filters.project || project_id === filters.project) &&
    sought(`${title} ${name(project_id)}#${task_number} ${branch}`);
  const groups = new Map<GroupId, Change[]>(GROUPS.map(({ id }) => [id, []]));
  // Candidates are looked at side by side.
  for (const change of changes)
    if (!change.undecided && fits(change)) groups.get(groupOf(change))?.push(change);
  for (const its of groups.values()) its.sort(byUrgency);
  return groups;
}

/** Those in which there is something to choose, now or soon. */
export function toChoose(comparisons: Comparison[], { project, q }: Filters) {
  const sought = seeker(q);
  return comparisons.filter(
    (one) =>
      (one.state === "ready" || one.state === "running") &&
      (!project || one.project_id === project) &&
      sought(one.title),
  );
}
