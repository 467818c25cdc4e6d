import {
  IconCircleCheck,
  IconCircleDashed,
  IconCircleX,
  IconHelpCircle,
  IconLoader2,
} from "@tabler/icons-react";
import type { Execution, ExecutionNode } from "../../api/client";
import { LogView, type Range } from "../../components/log/LogView";
import { plain } from "../../components/plain";
import { useNow } from "../../lib/format";
import { words } from "../../lib/words";
import { isLive, type Phase, type PhaseState, type Step, stepsOf } from "./phases";

const ICONS: Record<PhaseState, typeof IconCircleCheck> = {
  "to come": IconCircleDashed,
  running: IconLoader2,
  waiting: IconHelpCircle,
  passed: IconCircleCheck,
  failed: IconCircleX,
};

type Props = {
  execution: Execution;
  nodes: ExecutionNode[];
  /** The one whose log is open; null: none. */
  open: Phase | null;
  choose: (phase: Phase | null) => void;
  range: Range | undefined;
  chooseRange: (range: Range) => void;
  hold: () => void;
};

/** The phases one below the other, with the log of one of them. */
export function Phases({ execution, nodes, open, choose, range, chooseRange, hold }: Props) {
  const now = useNow(isLive(execution) ? 1 : 3_600);
  const steps = stepsOf(execution, nodes, now);
  return (
    <section className="panel phases-panel" aria-label="Phases">
      <Timeline steps={steps} />
      {steps.map((step) => (
        <div key={step.phase} className="phase" data-state={step.state}>
          <PhaseHead step={step} open={step.phase === open} choose={choose} />
          {step.phase === open && (
            <div className="phase-body">
              <Attempts nodes={step.nodes} />
              <LogView
                key={`${execution.id} ${step.phase}`}
                executionId={execution.id}
                stream={step.phase}
                range={range}
                choose={chooseRange}
                hold={hold}
              />
            </div>
          )}
        </div>
      ))}
    </section>
  );
}

/** How long each phase took, side by side. */
function Timeline({ steps }: { steps: Step[] }) {
  const all = steps.reduce((sum, step) => sum + (step.seconds ?? 0), 0);
  return (
    <div className="timeline" aria-hidden>
      {steps.map(({ phase, state, seconds }) => (
        <span
          key={phase}
          data-state={state}
          title={`${phase}: ${seconds === null ? state : took(seconds)}`}
          style={{ flexGrow: Math.max(seconds ?? 0, all / 40, 0.01) }}
        />
      ))}
    </div>
  );
}

function PhaseHead({ step, open, choose }: { step: Step; open: boolean; choose: Props["choose"] }) {
  const { phase, state, seconds } = step;
  const Icon = ICONS[state];
  return (
    <button
      type="button"
      className="phase-head"
      data-row
      aria-expanded={open}
      onClick={() => choose(open ? null : phase)}
    >
      <Icon size={18} aria-hidden />
      <span className="phase-name">{phase}</span>
      <span className="hidden">{state}</span>
      <span className="phase-time">{seconds === null ? "" : took(seconds)}</span>
    </button>
  );
}

/** Tenths of a second where they say something. */
export const took = (seconds: number) =>
  seconds < 10
    ? `${seconds.toFixed(1)} s`
    : seconds < 60
      ? `${Math.round(seconds)} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
        : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;

/** The steps of a phase, where they say more than the phase itself. */
function Attempts({ nodes }: { nodes: ExecutionNode[] }) {
  if (nodes.length < 2 && !nodes.some((node) => node.message)) return null;
  return (
    <ul className="attempts">
      {nodes.map((node) => (
        <li key={`${node.name} ${node.attempt}`} data-outcome={node.outcome ?? node.state}>
          <strong>{plain(node.name)}</strong>
          {node.attempt > 1 && <span>attempt {node.attempt}</span>}
          <span>{words(node.outcome ?? node.state)}</span>
          {node.seconds > 0 && <span className="quiet">{took(node.seconds)}</span>}
          {node.message && <span className="quiet">{plain(node.message)}</span>}
        </li>
      ))}
    </ul>
  );
}
