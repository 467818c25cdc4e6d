import type { Execution, ExecutionNode } from "../../api/client";

/** The phases of an execution with their times, as they stand now. */

export const PHASES = ["prepare", "implement", "verify", "publish"] as const;
export type Phase = (typeof PHASES)[number];
export type PhaseState = "to come" | "running" | "waiting" | "passed" | "failed";
export type Step = {
  phase: Phase;
  state: PhaseState;
  /** Null: it has not begun. */
  seconds: number | null;
  nodes: ExecutionNode[];
};

const RUNS: Partial<Record<Execution["state"], Phase>> = {
  preparing: "prepare",
  implementing: "implement",
  verifying: "verify",
  publishing: "publish",
};
const LIVE = new Set<Execution["state"]>([
  ...(Object.keys(RUNS) as Execution["state"][]),
  "assigned",
  "waiting_input",
]);

export const isLive = ({ state }: Execution) => LIVE.has(state);

export function stepsOf(execution: Execution, nodes: ExecutionNode[], now: number): Step[] {
  const current = currentPhase(execution, nodes);
  return PHASES.map((phase) => {
    const mine = nodes.filter((node) => node.phase === phase);
    const begun = PHASES.indexOf(phase) <= PHASES.indexOf(current);
    const state = begun ? stateOf(phase, current, execution) : "to come";
    return {
      phase,
      state,
      seconds: begun ? secondsOf(phase, state, mine, execution, now) : null,
      nodes: mine,
    };
  });
}

/** The phase that runs; of an execution that has ended the one it ended in. */
export function currentPhase(execution: Execution, nodes: ExecutionNode[]): Phase {
  // Of a worker that tells of no steps; one that asks is called as its phase, whose time is not told yet.
  const reached = PHASES.findLast(
    (phase) => execution.phase_seconds[phase] !== undefined || phase === execution.question?.node,
  );
  return RUNS[execution.state] ?? nodes.at(-1)?.phase ?? reached ?? "prepare";
}

function stateOf(phase: Phase, current: Phase, execution: Execution): PhaseState {
  if (phase !== current || execution.state === "succeeded") return "passed";
  if (execution.state === "waiting_input") return "waiting";
  return isLive(execution) ? "running" : "failed";
}

function secondsOf(
  phase: Phase,
  state: PhaseState,
  nodes: ExecutionNode[],
  execution: Execution,
  now: number,
) {
  const told = execution.phase_seconds[phase] ?? nodes.reduce((sum, node) => sum + node.seconds, 0);
  if (state !== "running" && state !== "waiting") return told;
  const since = nodes.at(-1)?.started_at ?? execution.started_at ?? execution.assigned_at;
  const before = nodes.slice(0, -1).reduce((sum, node) => sum + node.seconds, 0);
  return Math.max(told, before + (now - Date.parse(since)) / 1000);
}
