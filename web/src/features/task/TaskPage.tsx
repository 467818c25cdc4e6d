import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Execution, type Task, taken } from "../../api/client";
import { executionsQuery, taskQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { Receipt } from "../../components/Receipt";
import { StateMark } from "../../components/StateMark";
import { LogTail } from "./LogTail";

const route = getRouteApi("/tasks/$taskId");
const PHASES = ["prepare", "implement", "verify", "publish"] as const;
const CURRENT: Record<string, string> = {
  preparing: "prepare",
  verifying: "verify",
  publishing: "publish",
};

export function TaskPage() {
  const { taskId } = route.useParams();
  const task = useQuery(taskQuery(taskId));
  const executions = useQuery(executionsQuery(taskId));
  const newest = executions.data?.[0];
  if (!task.data) return <Notice error={task.error} />;
  return (
    <div className="stack">
      <div className="heading">
        <h1>
          {plain(task.data.title)} <span className="quiet">#{task.data.number}</span>
        </h1>
        <StateMark state={task.data.state} />
        <Actions task={task.data} />
      </div>
      {task.data.message && <p>{plain(task.data.message)}</p>}
      {task.data.change_id && (
        <Link to="/changes/$changeId" params={{ changeId: task.data.change_id }}>
          Review the change
        </Link>
      )}
      <section className="panel">
        <h2>Brief</h2>
        <p className="text">{plain(task.data.description) || "No description."}</p>
      </section>
      {newest ? (
        <Try key={newest.id} execution={newest} />
      ) : (
        <p className="empty">No worker has taken this task yet.</p>
      )}
    </div>
  );
}

function Actions({ task }: { task: Task }) {
  const cache = useQueryClient();
  const ask = useMutation({
    mutationFn: (action: "cancel" | "retry") => {
      const params = { path: { task_id: task.id } };
      return taken(
        action === "cancel"
          ? api.POST("/api/v1/tasks/{task_id}/cancel", { params })
          : api.POST("/api/v1/tasks/{task_id}/retry", { params }),
      );
    },
    onSettled: () => cache.invalidateQueries({ queryKey: ["tasks"] }),
  });
  const ended = task.state === "failed" || task.state === "cancelled";
  return (
    <>
      {ended && (
        <Button loading={ask.isPending} onClick={() => ask.mutate("retry")}>
          Try again
        </Button>
      )}
      {!ended && task.state !== "completed" && (
        <Button variant="default" loading={ask.isPending} onClick={() => ask.mutate("cancel")}>
          Cancel
        </Button>
      )}
      <Notice error={ask.error} />
    </>
  );
}

function Try({ execution }: { execution: Execution }) {
  const [picked, pick] = useState<string>();
  const seconds = execution.phase_seconds;
  const current = CURRENT[execution.state] ?? "implement";
  const shown = picked ?? current;
  return (
    <>
      <section className="panel">
        <h2>Receipt</h2>
        <Receipt receipt={execution.receipt} />
      </section>
      <section className="panel">
        <div className="row">
          <h2>Log</h2>
          <StateMark state={execution.state} />
        </div>
        <fieldset className="phases" aria-label="Phase">
          {PHASES.map((phase) => (
            <button key={phase} type="button" aria-pressed={phase === shown} onClick={() => pick(phase)}>
              {phase}{" "}
              {seconds[phase] !== undefined && <span className="quiet">{seconds[phase].toFixed(1)} s</span>}
            </button>
          ))}
        </fieldset>
        <LogTail key={shown} executionId={execution.id} stream={shown} />
      </section>
    </>
  );
}
