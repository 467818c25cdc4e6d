import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { Automation } from "../../api/client";
import { useProject } from "../../api/projects";
import { automationQuery } from "../../api/queries";
import { Unread } from "../../components/Fallbacks";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { ago, useNow } from "../../lib/format";
import { useTitle } from "../../lib/title";
import { words } from "../../lib/words";
import { Controls } from "./Controls";
import { Inject } from "./Inject";
import { Policy } from "./Policy";
import { TaskList } from "./TaskList";
import "./automation.css";

const route = getRouteApi("/automation/$projectId");

export function AutomationPage() {
  const { projectId } = route.useParams();
  const automation = useQuery(automationQuery(projectId));
  const project = useProject(projectId);
  useTitle(project && `Automation of ${project.name}`);
  if (!automation.data) return <Unread key={projectId} what="Automation" error={automation.error} />;
  const it = automation.data;
  return (
    <div className="stack">
      <div className="heading">
        <h1>{plain(project?.name ?? "Automation")}</h1>
        <StateMark state={it.state} />
        <Controls automation={it} />
      </div>
      <Standing automation={it} />
      <Progress automation={it} />
      <div className="automation-columns">
        <div className="stack">
          <Tasks title="Running now" tasks={it.current} none="Nothing runs now." />
          <Tasks title="Next" tasks={it.next} none="Nothing waits. Inject tasks, or write a task list." />
        </div>
        <div className="stack">
          <Inject automation={it} />
          <TaskList automation={it} />
          <Policy automation={it} />
        </div>
      </div>
    </div>
  );
}

/** What brought it into its state, and what to do about it. */
function Standing({ automation: it }: { automation: Automation }) {
  const now = useNow(15);
  if (it.state === "running") return null;
  const halted = it.state === "halted";
  return (
    <div className="standing-box" data-tone={halted ? "bad" : "quiet"} role={halted ? "alert" : undefined}>
      <p>
        <strong>
          {halted ? "Halted" : it.state === "paused" ? "Paused" : "Stopped"} {ago(it.changed_at, now)}
        </strong>
        {it.reason && it.reason !== "request" && `, by ${words(it.reason)}`}
        {it.task_id && (
          <>
            {" · "}
            <Link to="/tasks/$taskId" params={{ taskId: it.task_id }}>
              the task that failed
            </Link>
          </>
        )}
      </p>
      {it.message && <p>{plain(it.message)}</p>}
      <p className="quiet">
        {halted
          ? "What runs goes on to its end. Mend the cause and resume, or stop."
          : it.state === "paused"
            ? "What runs goes on to its end, and nothing new is begun until it is resumed."
            : "Nothing is begun until it is started."}
      </p>
    </div>
  );
}

function Progress({ automation: { done, total, tasks } }: { automation: Automation }) {
  const part = total > 0 ? Math.round((done / total) * 100) : 0;
  const counts = Object.entries(tasks).filter(([, count]) => count > 0);
  return (
    <section className="panel">
      <div className="progress-line">
        <strong>
          {done} of {total} done
        </strong>
        <span className="quiet">
          {counts.map(([state, count]) => `${count} ${words(state)}`).join(" · ")}
        </span>
      </div>
      <div
        className="bar"
        role="progressbar"
        aria-label="Tasks done"
        aria-valuenow={part}
        aria-valuemin={0}
        aria-valuemax={100}
        data-tone={part === 100 ? "good" : undefined}
      >
        <span style={{ width: `${part}%` }} />
      </div>
    </section>
  );
}

type TasksProps = { title: string; tasks: Automation["next"]; none: string };

function Tasks({ title, tasks, none }: TasksProps) {
  return (
    <section className="panel">
      <h2>{title}</h2>
      {tasks.length === 0 && <p className="quiet">{none}</p>}
      <ol className="task-rows" hidden={tasks.length === 0}>
        {tasks.map((task) => (
          <li key={task.id} data-row>
            <Link to="/tasks/$taskId" params={{ taskId: task.id }}>
              <span className="quiet">#{task.number}</span>
              <span className="task-title">{plain(task.title)}</span>
              {task.source !== "request" && <span className="chip">{words(task.source)}</span>}
            </Link>
          </li>
        ))}
      </ol>
    </section>
  );
}
