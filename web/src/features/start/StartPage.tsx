import { Button } from "@mantine/core";
import { IconCircleCheckFilled, IconCircleDashed } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import type { Project, Worker } from "../../api/client";
import { keysQuery, newestTasksQuery, projectsQuery, workersQuery } from "../../api/queries";
import { Copyable } from "../../components/Copyable";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { AGENTS } from "../../lib/agents";
import { openDialog } from "../../lib/dialogs";
import { useTitle } from "../../lib/title";
import { AddProject } from "./AddProject";
import "./start.css";

/** From the login to the first task; each step says whether it is done, and what is missing. */
export function StartPage() {
  const projects = useQuery(projectsQuery);
  const workers = useQuery(workersQuery);
  const tasks = useQuery(newestTasksQuery);
  const [another, setAnother] = useState(false);
  useTitle("Set up");
  const project = projects.data?.[0];
  const there = workers.data?.filter(({ state }) => state !== "offline" && state !== "quarantined") ?? [];
  return (
    <div className="stack start">
      <div className="heading">
        <h1>Set up Pullyard</h1>
      </div>
      <p className="quiet">Tasks go in, pull requests come out. These four things have to be there.</p>
      <Notice error={projects.error ?? workers.error ?? tasks.error} />
      <ol className="steps">
        <Step done={!!project} title="A repository">
          {project && (
            <p>
              {projects.data?.length === 1 ? "Your project is" : "Your newest project is"}{" "}
              <Link to="/automation/$projectId" params={{ projectId: project.id }}>
                {plain(project.name)}
              </Link>
              , from <code>{plain(project.repository)}</code>.
            </p>
          )}
          {projects.data && (!project || another) && <AddProject done={() => setAnother(false)} />}
          {project && !another && (
            <Button variant="default" onClick={() => setAnother(true)}>
              Add another repository
            </Button>
          )}
        </Step>
        <Step done={there.length > 0} title="A worker to run its tasks">
          {there.length > 0 ? (
            <p>
              {there.length === 1 ? plain(there[0]?.name ?? "") : `${there.length} workers`} connected, with{" "}
              {there.reduce((sum, worker) => sum + worker.slots, 0)} slots.
            </p>
          ) : (
            workers.data && <p>No worker is connected. It runs on a machine that reaches your repository.</p>
          )}
          <Button component={Link} to="/workers" hash="add" variant={there.length > 0 ? "default" : "filled"}>
            Add a worker
          </Button>
        </Step>
        {project && <AgentStep project={project} workers={there} />}
        <Step done={(tasks.data?.length ?? 0) > 0} title="The first task">
          <p>Say what is wanted, and how one can tell that it is done. The rest happens by itself.</p>
          <Button
            disabled={!project}
            variant={tasks.data?.length ? "default" : "filled"}
            onClick={() => openDialog({ kind: "create", projectId: project?.id })}
          >
            Create a task
          </Button>
          {tasks.data && tasks.data.length > 0 && <Link to="/">See it on the board</Link>}
        </Step>
      </ol>
    </div>
  );
}

type StepProps = { done: boolean | null; title: string; children: ReactNode };

/** `done` null: it can't be told from here. */
function Step({ done, title, children }: StepProps) {
  return (
    <li className="panel step" data-done={done === true}>
      {done ? (
        <IconCircleCheckFilled size={26} aria-label="done" />
      ) : (
        <IconCircleDashed size={26} aria-label="to do" />
      )}
      <div>
        <h2>{title}</h2>
        {children}
      </div>
    </li>
  );
}

function AgentStep({ project, workers }: { project: Project; workers: Worker[] }) {
  const { data: keys = [], error } = useQuery(keysQuery);
  const agent = AGENTS.find((one) => one.name === project.agent.name);
  const name = plain(project.agent.name);
  const lacking =
    agent?.program &&
    workers.length > 0 &&
    !workers.some((one) => one.labels.includes(`agent=${agent.name}`));
  const key = keys.find((one) => one.provider === agent?.provider);
  if (lacking)
    return (
      <Step done={false} title={`The program of the agent ${name}`}>
        <p>No connected worker has it. Install it there, and start the worker again.</p>
        <Copyable label="Copy the command" text={`pullyard worker agents install ${name}`} />
      </Step>
    );
  if (!agent?.provider)
    return (
      <Step done title={`The agent ${name}`}>
        <p>It needs no key of a model provider.</p>
      </Step>
    );
  return (
    <Step done={key ? true : null} title={`A key for the agent ${name}`}>
      {key ? (
        <p>A key of {plain(key.provider)} is sealed to your workers.</p>
      ) : (
        <>
          <p>
            The worker adds the key outside of the sandbox. Whether it has one in its own settings is not told
            here; you can also seal one to it, so that the coordinator can't read it:
          </p>
          <Copyable label="Copy the command" text={`pullyard key add ${agent.provider}`} />
          <Notice error={error} />
        </>
      )}
    </Step>
  );
}
