import { IconCircleCheck, IconCircleDashed } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Change } from "../../api/client";
import { taskQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { Prose } from "../../components/Prose";
import { plain } from "../../components/plain";
import { Receipt } from "../../components/Receipt";
import { StateMark } from "../../components/StateMark";
import { WithCode } from "../../components/WithCode";
import { ago, useNow } from "../../lib/format";
import { evidenceOf } from "./criteria";
import { MergedFirst } from "./MergedFirst";

/** What was wanted, what proves that it was done, and how often it was gone on with. */
export function Facts({ change }: { change: Change }) {
  return (
    <div className="change-facts">
      <Wanted change={change} />
      <section className="panel">
        <h2>Receipt</h2>
        <Receipt receipt={change.receipt} />
      </section>
      <Rounds change={change} />
    </div>
  );
}

function Wanted({ change }: { change: Change }) {
  const { data: task, error } = useQuery(taskQuery(change.task_id));
  const criteria = task?.acceptance_criteria ?? [];
  return (
    <section className="panel" aria-label="What was wanted">
      <h2>What was wanted</h2>
      <Notice error={error} />
      {task && <Prose text={task.description || "Only what the title says."} />}
      {criteria.length > 0 && (
        <ul className="criteria" aria-label="Acceptance criteria">
          {criteria.map((one) => (
            <Criterion key={one} text={one} evidence={evidenceOf(one, change)} />
          ))}
        </ul>
      )}
      {change.body && (
        <details>
          <summary>All that the change says</summary>
          {/* The worker breaks words on which forges act by this letter, which has no width. */}
          <Prose text={change.body.replaceAll("\u2060", "")} />
        </details>
      )}
    </section>
  );
}

function Criterion({ text, evidence }: { text: string; evidence: string | null }) {
  return (
    <li data-met={evidence !== null}>
      {evidence === null ? (
        <IconCircleDashed size={18} aria-hidden />
      ) : (
        <IconCircleCheck size={18} aria-hidden />
      )}
      <span>
        <WithCode text={text} />{" "}
        <span className="quiet">
          {evidence === null ? (
            "for you to judge"
          ) : (
            <>
              <code>{plain(evidence)}</code> passed
            </>
          )}
        </span>
      </span>
    </li>
  );
}

function Rounds({ change: { responses = [], update } }: { change: Change }) {
  const now = useNow(30);
  if (responses.length === 0) return null;
  return (
    <section className="panel">
      <h2>What was done since</h2>
      <ol className="rounds">
        {responses.map((one) => (
          <li key={one.task_id}>
            <StateMark state={one.state} />
            <Link to="/tasks/$taskId" params={{ taskId: one.task_id }}>
              #{one.number} {plain(one.title)}
            </Link>
            <span className="quiet">{ago(one.created_at, now)}</span>
            {update?.task_id === one.task_id && (
              <span className="because">
                Merged first: <MergedFirst {...update} />
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
