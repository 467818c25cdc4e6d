import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Candidate, type Comparison, once, taken } from "../../api/client";
import { comparisonQuery, queryClient } from "../../api/queries";
import { AgentMark } from "../../components/AgentMark";
import { Confirm } from "../../components/Confirm";
import { Unread } from "../../components/Fallbacks";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { dollars, duration } from "../../lib/format";
import { useTitle } from "../../lib/title";
import { words } from "../../lib/words";
import "./comparison.css";

const route = getRouteApi("/comparisons/$comparisonId");

const STANDING: Record<Comparison["state"], string> = {
  running: "Some are still at it. You can choose one that has delivered, and the others are stopped.",
  ready: "All have ended: look at them, and choose one. The others are closed.",
  failed: "None has delivered a change. Try one again, or make another task.",
  chosen: "One is chosen, and the others are closed.",
  cancelled: "None was chosen, and all are closed.",
};

/** The same task by several agents, side by side. */
export function ComparisonPage() {
  const { comparisonId } = route.useParams();
  const { data: it, error } = useQuery(comparisonQuery(comparisonId));
  const [asked, ask] = useState<Candidate | "none" | null>(null);
  useTitle(it?.title ?? "Comparison");
  const decide = useDecision(comparisonId);
  if (!it) return <Unread key={comparisonId} what="Comparison" error={error} />;
  const open = it.decided_at === null;
  return (
    <div className="stack">
      <div className="heading">
        <h1>{plain(it.title)}</h1>
        <StateMark state={it.state} />
        {open && (
          <Button variant="default" disabled={decide.isPending} onClick={() => ask("none")}>
            Choose none
          </Button>
        )}
      </div>
      <p className="quiet">
        {STANDING[it.state]} {it.decided_by_name && `Decided by ${plain(it.decided_by_name)}.`}
        {open && it.choose !== "manual" && ` The rule: ${words(it.choose)}.`}
      </p>
      <Notice error={decide.error} />
      <ul className="candidates">
        {it.candidates.map((one) => (
          <Card
            key={one.task_id}
            candidate={one}
            best={bestOf(it.candidates)}
            choose={open && one.delivered && !decide.isPending ? () => ask(one) : undefined}
          />
        ))}
      </ul>
      {asked && (
        <Confirm
          title={asked === "none" ? "Choose none of them?" : `Choose #${asked.number}?`}
          text={
            asked === "none"
              ? "All are stopped and closed, and what depends on them fails."
              : "The others are stopped, and their changes closed. It can be merged then."
          }
          yes={asked === "none" ? "Close all of them" : `Choose #${asked.number}`}
          close={() => ask(null)}
          confirm={() => decide.mutate(asked === "none" ? null : asked.task_id)}
        />
      )}
    </div>
  );
}

function useDecision(comparison_id: string) {
  return useMutation({
    mutationFn: (task_id: string | null) => {
      const params = { path: { comparison_id }, header: once() } as const;
      return taken(
        task_id
          ? api.POST("/api/v1/comparisons/{comparison_id}/choose", { params, body: { task_id } })
          : api.POST("/api/v1/comparisons/{comparison_id}/cancel", { params }),
      );
    },
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: ["comparisons"] });
      void queryClient.invalidateQueries({ queryKey: ["changes"] });
    },
  });
}

type Best = { cost: number; seconds: number; lines: number };

const linesOf = ({ additions, deletions }: Candidate) => additions + deletions;

/** Of those that have delivered, where they differ in it. */
function bestOf(candidates: Candidate[]): Best {
  const delivered = candidates.filter((one) => one.delivered);
  const least = (of: (one: Candidate) => number) => {
    const all = delivered.map(of);
    return new Set(all).size > 1 ? Math.min(...all) : Number.NaN;
  };
  return {
    cost: least((one) => one.cost_micros),
    seconds: least((one) => one.seconds),
    lines: least(linesOf),
  };
}

type CardProps = { candidate: Candidate; best: Best; choose: (() => void) | undefined };

function Card({ candidate: one, best, choose }: CardProps) {
  const { model, command } = (one.agent.settings ?? {}) as { model?: unknown; command?: unknown };
  const which = model ?? command;
  const agent = typeof which === "string" ? `${one.agent.name}: ${which.slice(0, 120)}` : one.agent.name;
  return (
    <li className="candidate" data-chosen={one.chosen} data-row aria-label={`Candidate ${one.number}`}>
      <div className="candidate-top">
        <AgentMark name={one.agent.name} />
        <strong>{plain(agent)}</strong>
        <Link to="/tasks/$taskId" params={{ taskId: one.task_id }}>
          #{one.number}
        </Link>
      </div>
      <div className="row">
        <StateMark state={one.change_state ?? one.state} />
        {one.chosen && <span className="chip">chosen</span>}
        {one.reason && <span className="quiet">{words(one.reason)}</span>}
      </div>
      <dl>
        <Fact name="Receipt" value={receiptOf(one)} tone={toneOf(one.verified)} />
        <Fact name="Tests" value={one.tests ? testsOf(one.tests) : "not told"} />
        <Fact
          name="Size"
          value={
            one.change_id
              ? `${one.files} ${one.files === 1 ? "file" : "files"}, +${one.additions} −${one.deletions}`
              : "no change"
          }
          best={linesOf(one) === best.lines}
        />
        <Fact name="Cost" value={dollars(one.cost_micros)} best={one.cost_micros === best.cost} />
        <Fact name="Took" value={duration(one.seconds)} best={one.seconds === best.seconds} />
        <Fact name="Tries" value={String(one.tries)} />
      </dl>
      {one.message && <p className="quiet">{plain(one.message)}</p>}
      {one.errand?.state === "failed" && <p className="quiet">{plain(one.errand.message)}</p>}
      <div className="candidate-end">
        {one.change_id && (
          <Button
            component={Link}
            variant="default"
            to="/changes/$changeId"
            params={{ changeId: one.change_id } as never}
          >
            Look at #{one.number}
          </Button>
        )}
        {choose && <Button onClick={choose}>Choose #{one.number}</Button>}
      </div>
    </li>
  );
}

const receiptOf = ({ verified }: Candidate) =>
  verified === null ? "none" : verified ? "passed" : "not passed";
const toneOf = (verified: boolean | null) => (verified === null ? undefined : verified ? "good" : "bad");
const testsOf = ({ passed, failed, skipped }: NonNullable<Candidate["tests"]>) =>
  `${passed} passed${failed ? `, ${failed} failed` : ""}${skipped ? `, ${skipped} skipped` : ""}`;

type FactProps = { name: string; value: string; best?: boolean; tone?: "good" | "bad" };

function Fact({ name, value, best = false, tone }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span data-tone={tone}>{value}</span>
        {best && <span className="chip">best</span>}
      </dd>
    </div>
  );
}
