import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { putTasks } from "../../api/board";
import { api, type Execution, type Task, taken } from "../../api/client";
import { useProject } from "../../api/projects";
import { workersQuery } from "../../api/queries";
import { Dialog } from "../../components/Dialog";
import { DollarInput, dollarsOf, microsOf } from "../../components/DollarInput";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { ago, dollars, useNow } from "../../lib/format";
import { took } from "./Phases";
import { isLive } from "./phases";

/** What the task costs and where it runs, ticking while it does. */
export function Facts({ task, execution, all }: { task: Task; execution?: Execution; all: Execution[] }) {
  const project = useProject(task.project_id);
  const worker = useQuery(workersQuery).data?.find((one) => one.id === execution?.worker_id);
  const [raising, setRaising] = useState(false);
  const cost = all.reduce((sum, one) => sum + one.cost_micros, 0);
  const tokens = all.reduce((sum, one) => sum + one.input_tokens + one.output_tokens, 0);
  const agent = task.agent?.name ?? project?.agent.name;
  return (
    <section className="panel" aria-label="Facts">
      <dl className="facts">
        <Fact name="Cost">
          <strong className="ticking">{dollars(cost)}</strong>
          {task.budget_micros != null && ` of ${dollars(task.budget_micros)}`}
          {all.length > 1 && ` in ${all.length} tries`}
          <Button variant="subtle" size="compact-xs" onClick={() => setRaising(true)}>
            {task.budget_micros == null ? "Limit it" : "Change the limit"}
          </Button>
        </Fact>
        {tokens > 0 && <Fact name="Tokens">{tokens.toLocaleString("en")}</Fact>}
        {execution && <Fact name="Time">{<Elapsed execution={execution} />}</Fact>}
        {project && <Fact name="Project">{plain(project.name)}</Fact>}
        {agent && <Fact name="Agent">{plain(agent)}</Fact>}
        {execution?.worker_id && (
          <Fact name="Worker">
            <Link to="/workers">{plain(worker?.name ?? execution.worker_id)}</Link>
          </Fact>
        )}
        <Fact name="Priority">{task.priority}</Fact>
        {task.labels.length > 0 && (
          <Fact name="Labels">
            <span className="chips">
              {task.labels.map((label) => (
                <span className="chip" key={label}>
                  {plain(label)}
                </span>
              ))}
            </span>
          </Fact>
        )}
        <Fact name="Created">
          <Created at={task.created_at} />
        </Fact>
      </dl>
      {raising && <BudgetOfTask task={task} close={() => setRaising(false)} />}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const Created = ({ at }: { at: string }) => <time dateTime={at}>{ago(at, useNow(60))}</time>;

function Elapsed({ execution }: { execution: Execution }) {
  const now = useNow(isLive(execution) ? 1 : 3_600);
  const end = execution.finished_at ? Date.parse(execution.finished_at) : now;
  return <span className="ticking">{took(Math.max(0, end - Date.parse(execution.assigned_at)) / 1000)}</span>;
}

function BudgetOfTask({ task, close }: { task: Task; close: () => void }) {
  const [money, setMoney] = useState(dollarsOf(task.budget_micros));
  const set = useMutation({
    mutationFn: () =>
      taken(
        api.PATCH("/api/v1/tasks/{task_id}", {
          params: { path: { task_id: task.id } },
          body: { budget_micros: microsOf(money) },
        }),
      ),
    onSuccess: (changed) => {
      putTasks([changed]);
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    set.mutate();
  };
  return (
    <Dialog close={close} title="What this task may cost" fullScreen={false}>
      <form className="stack" onSubmit={submit}>
        <DollarInput
          description="With all its tries. Empty: the limit of each task of the project, where it has one"
          value={money}
          change={setMoney}
          data-autofocus
        />
        <Notice error={set.error} />
        <Button type="submit" loading={set.isPending}>
          Set it
        </Button>
      </form>
    </Dialog>
  );
}
