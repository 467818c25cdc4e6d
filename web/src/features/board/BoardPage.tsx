import { Button, NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { Project, Task } from "../../api/client";
import { boardQuery, projectsQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { CreateTask } from "./CreateTask";
import { COLUMNS, columnOf } from "./columns";

const route = getRouteApi("/");

export function BoardPage() {
  const { project } = route.useSearch();
  const navigate = route.useNavigate();
  const [creating, setCreating] = useState(false);
  const projects = useQuery(projectsQuery);
  const board = useQuery(boardQuery(project));
  const names = useMemo(() => new Map(projects.data?.map((one) => [one.id, one.name])), [projects.data]);
  return (
    <div className="stack">
      <div className="heading">
        <h1>Tasks</h1>
        <NativeSelect
          aria-label="Project"
          value={project ?? ""}
          onChange={(event) => navigate({ search: { project: event.currentTarget.value || undefined } })}
          data={[
            { value: "", label: "All projects" },
            ...(projects.data ?? []).map((one) => ({ value: one.id, label: one.name })),
          ]}
        />
        <Button disabled={!projects.data?.length} onClick={() => setCreating(true)}>
          New task
        </Button>
      </div>
      <Notice error={board.error ?? projects.error} />
      {board.data && <Hint tasks={board.data.tasks} projects={projects.data} />}
      {board.data && <Columns {...board.data} names={names} />}
      {projects.data?.length ? (
        <CreateTask
          opened={creating}
          close={() => setCreating(false)}
          projects={projects.data}
          chosen={project}
        />
      ) : null}
    </div>
  );
}

function Hint({ tasks, projects }: { tasks: Task[]; projects: Project[] | undefined }) {
  if (projects?.length === 0)
    return (
      <p className="empty">
        There is no project yet. Add one with <code>pullyard project add</code>.
      </p>
    );
  if (tasks.length > 0) return null;
  return <p className="empty">There is no task yet. Create the first one with “New task”.</p>;
}

type ColumnsProps = { tasks: Task[]; openChanges: Set<string>; names: Map<string, string> };

function Columns({ tasks, openChanges, names }: ColumnsProps) {
  return (
    <div className="board">
      {COLUMNS.map((column) => {
        const cards = tasks.filter((task) => columnOf(task, openChanges) === column);
        return (
          <section key={column} className="column" aria-labelledby={`column-${column}`} data-column={column}>
            <h2 id={`column-${column}`}>
              <span className="dot" aria-hidden="true" /> {column}{" "}
              <span className="quiet">{cards.length}</span>
            </h2>
            <ul>
              {cards.map((task) => (
                <li key={task.id}>
                  <Card task={task} project={names.get(task.project_id) ?? ""} />
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function Card({ task, project }: { task: Task; project: string }) {
  const wants = task.unmet_labels?.length ? `no worker has ${task.unmet_labels.join(", ")}` : "";
  return (
    <Link to="/tasks/$taskId" params={{ taskId: task.id }} className="card">
      <span className="card-title">{plain(task.title)}</span>
      <span className="quiet card-line">
        #{task.number} · {plain(project)}
      </span>
      {(task.reason || task.pending_reason || wants) && (
        <span className="card-line">
          {wants || (task.reason ?? task.pending_reason ?? "").replaceAll("_", " ")}
        </span>
      )}
    </Link>
  );
}
