import {
  IconChevronsDown,
  IconChevronsUp,
  IconClockPause,
  IconPlayerPlay,
  type TablerIcon,
} from "@tabler/icons-react";
import type { Task } from "../api/client";
import { canMove, holdBack, requeue, setPriority } from "../api/tasks";

/** A row of a menu of what can be done to a task. */
export type Row = { icon: TablerIcon; text: string; run: () => Promise<unknown> };

const STEP = 10;
const HIGHEST = 1000;

export function priorityRows(task: Task): Row[] {
  if (!canMove(task)) return [];
  const higher = Math.min(HIGHEST, task.priority + STEP);
  const lower = Math.max(-HIGHEST, task.priority - STEP);
  return [
    { icon: IconChevronsUp, text: `Priority ${higher}`, run: () => setPriority(task, higher) },
    { icon: IconChevronsDown, text: `Priority ${lower}`, run: () => setPriority(task, lower) },
  ];
}

/** Whether it may run now. */
export function turnRows(task: Task): Row[] {
  if (task.state === "queued")
    return [{ icon: IconClockPause, text: "Back to the backlog", run: () => holdBack(task) }];
  if (task.pending_reason === "overlap" || task.pending_reason === "backoff")
    return [{ icon: IconPlayerPlay, text: "Run it all the same", run: () => requeue(task) }];
  return [];
}
