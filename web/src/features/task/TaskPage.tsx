import { NativeSelect, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useLocation } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import type { Execution, Task } from "../../api/client";
import { executionsQuery, nodesQuery, taskQuery } from "../../api/queries";
import { Copyable } from "../../components/Copyable";
import { Unread } from "../../components/Fallbacks";
import { hashOf, type Range, rangeOf } from "../../components/log/LogView";
import { Notice } from "../../components/Notice";
import { Prose } from "../../components/Prose";
import { plain } from "../../components/plain";
import { Receipt } from "../../components/Receipt";
import { StateMark } from "../../components/StateMark";
import { WithCode } from "../../components/WithCode";
import { ago, useNow } from "../../lib/format";
import { useTitle } from "../../lib/title";
import { words } from "../../lib/words";
import { AnswerPanel } from "./AnswerPanel";
import { Deeds } from "./Deeds";
import { Facts } from "./Facts";
import { Network } from "./Network";
import { Phases } from "./Phases";
import { currentPhase, PHASES, type Phase } from "./phases";
import "./task.css";

const route = getRouteApi("/tasks/$taskId");
const Talk = lazy(() => import("./Talk"));

export function TaskPage() {
  const { taskId } = route.useParams();
  const search = route.useSearch();
  const task = useQuery(taskQuery(taskId));
  const executions = useQuery(executionsQuery(taskId));
  const all = executions.data ?? [];
  const execution = all.find((one) => one.id === search.try) ?? all[0];
  useTitle(task.data ? `#${task.data.number} ${plain(task.data.title)}` : "Task");
  if (!task.data) return <Unread key={taskId} what="Task" error={task.error} />;
  const question = execution?.state === "waiting_input" ? execution.question : null;
  return (
    <div className="stack">
      <div className="heading">
        <h1>
          {plain(task.data.title)} <span className="quiet">#{task.data.number}</span>
        </h1>
        <StateMark state={task.data.state} />
        <Deeds task={task.data} executions={all} />
      </div>
      <Why task={task.data} execution={execution} />
      <Notice error={executions.error} />
      {execution && question && <AnswerPanel key={question.id} execution={execution} question={question} />}
      <div className="task-columns">
        <div className="stack">
          {execution ? (
            <Work key={execution.id} execution={execution} all={all} />
          ) : (
            executions.data && <p className="empty">No worker has taken this task yet.</p>
          )}
        </div>
        <div className="stack task-side">
          <Facts task={task.data} execution={execution} all={all} />
          <Brief task={task.data} />
          {execution && <Proof execution={execution} />}
          {execution && <Network execution={execution} />}
        </div>
      </div>
    </div>
  );
}

/** Why it stands where it stands: what it waits for, or why it ended. */
function Why({ task, execution }: { task: Task; execution: Execution | undefined }) {
  const lines = [
    task.pending_reason && `Waits: ${words(task.pending_reason)}.`,
    task.reason && `Ended: ${words(task.reason)}.`,
    task.unmet_labels?.length && `No connected worker has: ${task.unmet_labels.join(", ")}.`,
  ].filter(Boolean);
  const links = linksOf(task);
  // What a waiting task says is its question, which stands below.
  const message = task.state === "waiting" ? "" : task.message;
  if (!lines.length && !message && !links.length) return null;
  return (
    <div className="why" data-bad={task.state === "failed" || undefined}>
      {lines.length > 0 && <strong>{plain(lines.join(" "))}</strong>}
      {message && <span>{plain(message)}</span>}
      {task.reason && execution?.fault && (
        <span className="quiet">It is for the {execution.fault} to mend.</span>
      )}
      {links}
    </div>
  );
}

/** Where to go on from here. */
function linksOf(task: Task): ReactNode[] {
  const links: ReactNode[] = [];
  const tasks = [...(task.open_dependencies ?? []), task.waits_for].filter((one) => one?.startsWith("task_"));
  for (const taskId of tasks as string[])
    links.push(
      <Link key={taskId} to="/tasks/$taskId" params={{ taskId }}>
        A task that it waits for
      </Link>,
    );
  const { change_id, comparison_id, waits_for } = task;
  if (waits_for && !waits_for.startsWith("task_"))
    links.push(
      <Link key="waits" to="/changes/$changeId" params={{ changeId: waits_for }}>
        The change that it waits for
      </Link>,
    );
  if (comparison_id)
    links.push(
      <Link key="comparison" to="/comparisons/$comparisonId" params={{ comparisonId: comparison_id }}>
        Compare it with the other candidates
      </Link>,
    );
  if (task.pending_reason === "budget" || task.reason === "budget_spent")
    links.push(
      <Link key="budget" to="/costs">
        Raise a budget
      </Link>,
    );
  if (change_id)
    links.push(
      <Link key="change" to="/changes/$changeId" params={{ changeId: change_id }}>
        Review the change
      </Link>,
    );
  return links;
}

function Work({ execution, all }: { execution: Execution; all: Execution[] }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { hash } = useLocation();
  const nodes = useQuery(nodesQuery(execution.id)).data ?? [];
  const named = PHASES.find((phase) => phase === search.phase);
  const open = search.phase === "none" ? null : (named ?? currentPhase(execution, nodes));
  const view = search.view ?? "log";
  const choosePhase = (phase: Phase | null) =>
    void navigate({ search: { ...search, phase: phase ?? "none" }, replace: true, resetScroll: false });
  // With both, or the address would mean another log as soon as the next phase or the next try runs.
  const held = { ...search, try: execution.id, phase: open ?? "none" };
  const hold = () => {
    if (search.try && search.phase) return;
    void navigate({ search: held, hash: true, replace: true, resetScroll: false, hashScrollIntoView: false });
  };
  const chooseRange = (range: Range) =>
    void navigate({
      search: held,
      hash: hashOf(range),
      replace: true,
      resetScroll: false,
      hashScrollIntoView: false,
    });
  return (
    <Tabs
      value={view}
      onChange={(value) =>
        void navigate({
          search: { ...search, view: value === "conversation" ? "conversation" : undefined },
          replace: true,
          resetScroll: false,
        })
      }
      keepMounted={false}
    >
      <div className="task-tabs">
        <Tabs.List>
          <Tabs.Tab value="log">Log</Tabs.Tab>
          <Tabs.Tab value="conversation">Conversation</Tabs.Tab>
        </Tabs.List>
        <Tries execution={execution} all={all} />
      </div>
      <Tabs.Panel value="log">
        <Phases
          execution={execution}
          nodes={nodes}
          open={open}
          choose={choosePhase}
          range={rangeOf(hash)}
          chooseRange={chooseRange}
          hold={hold}
        />
      </Tabs.Panel>
      <Tabs.Panel value="conversation">
        <Suspense fallback={<p className="quiet">Opening…</p>}>
          <Talk execution={execution} />
        </Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}

/** One of several executions; the newest is followed unless another one is chosen. */
function Tries({ execution, all }: { execution: Execution; all: Execution[] }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const now = useNow(60);
  if (all.length < 2) return <StateMark state={execution.state} />;
  return (
    <NativeSelect
      aria-label="Execution"
      size="xs"
      value={execution.id}
      onChange={({ currentTarget: { value } }) =>
        void navigate({
          search: { ...search, try: value === all[0]?.id ? undefined : value, phase: undefined },
          hash: "",
          resetScroll: false,
        })
      }
      data={all.map((one, place) => ({
        value: one.id,
        label: `Try ${all.length - place}: ${words(one.state)}, ${ago(one.assigned_at, now)}`,
      }))}
    />
  );
}

function Brief({ task }: { task: Task }) {
  const verify = task.verify_commands ?? [];
  return (
    <section className="panel" aria-label="Brief">
      <h2>Brief</h2>
      <Prose text={task.description || "No description."} />
      {task.acceptance_criteria.length > 0 && (
        <>
          <h3>Acceptance criteria</h3>
          <ul className="bullets">
            {task.acceptance_criteria.map((one) => (
              <li key={one}>
                <WithCode text={one} />
              </li>
            ))}
          </ul>
        </>
      )}
      {verify.length > 0 && (
        <>
          <h3>Verified by</h3>
          {verify.map((argv) => (
            <code key={argv.join(" ")}>{plain(argv.join(" "))}</code>
          ))}
        </>
      )}
    </section>
  );
}

function Proof({ execution }: { execution: Execution }) {
  return (
    <section className="panel" aria-label="Receipt">
      <h2>Receipt</h2>
      <Receipt receipt={execution.receipt} />
      {execution.receipt && (
        <Copyable label="Copy the command that checks it" text={`pullyard receipt verify ${execution.id}`} />
      )}
    </section>
  );
}
