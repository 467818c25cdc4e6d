import { Button, Collapse, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { putTasks } from "../../api/board";
import { api, type Comparison, once, type Project, type Task, taken } from "../../api/client";
import { Kept } from "../../api/outbox";
import { projectsQuery, queryClient, workersQuery } from "../../api/queries";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { sends } from "../../lib/keys";
import { linesOf } from "../../lib/lines";
import { kept } from "../../lib/stores";
import { toast, toastError } from "../../lib/toasts";
import { candidateOf, More, NO_WISH, type Wish } from "./More";

const lastProject = kept("last-project", "", (value) => typeof value === "string");

type Props = { close: () => void; projectId: string | undefined };

export default function CreateTask({ close, projectId }: Props) {
  const projects = useQuery(projectsQuery);
  return (
    <Dialog close={close} title="New task" size="lg">
      {projects.data?.length === 0 && (
        <p>
          A task needs a project first.{" "}
          <Link to="/start" onClick={close}>
            Add a repository
          </Link>
        </p>
      )}
      <Notice error={projects.error} />
      {projects.data?.[0] && <Form projects={projects.data} chosen={projectId} close={close} />}
    </Dialog>
  );
}

type FormProps = { projects: Project[]; chosen: string | undefined; close: () => void };

function Form({ projects, chosen, close }: FormProps) {
  const navigate = useNavigate();
  const form = useRef<HTMLFormElement>(null);
  const title = useRef<HTMLInputElement>(null);
  const remembered = [chosen, lastProject.get()].find((id) => projects.some((one) => one.id === id));
  const [project, setProject] = useState(remembered ?? projects[0]?.id ?? "");
  const [wish, setWish] = useState<Wish>(NO_WISH);
  const [more, setMore] = useState(false);
  const [another, setAnother] = useState(false);
  // Sent again after a broken connection it must not become two tasks.
  const key = useRef<ReturnType<typeof once>>(null);
  const create = useMutation({
    mutationFn: (fields: FormData) => {
      const texts = textsOf(fields);
      key.current ??= once(`New task: ${texts.title}`);
      return make(project, texts, wish, key.current);
    },
    onSuccess: (made) => {
      void queryClient.invalidateQueries({ queryKey: ["tasks", "list"] });
      if ("candidates" in made) {
        void navigate({ to: "/comparisons/$comparisonId", params: { comparisonId: made.id } });
      } else {
        putTasks([made]);
        toast(`Created #${made.number}: ${made.title}${overlapsOf(made)}`);
      }
      next();
    },
    onError: (problem) => {
      if (!(problem instanceof Kept)) return;
      toastError(problem);
      next();
    },
  });
  const next = () => {
    key.current = null;
    lastProject.set(project);
    if (another) {
      form.current?.reset();
      title.current?.focus();
    } else close();
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (!create.isPending) create.mutate(new FormData(event.currentTarget));
  };
  return (
    <form
      ref={form}
      onSubmit={submit}
      onChange={() => {
        // Another text under the same key would be refused.
        if (create.isError) key.current = null;
      }}
      onKeyDown={(event) => {
        if (sends(event)) form.current?.requestSubmit();
      }}
      className="stack"
    >
      <TextInput ref={title} label="Title" name="title" required maxLength={500} data-autofocus />
      <Textarea
        label="What is wanted"
        name="description"
        autosize
        minRows={4}
        maxRows={14}
        maxLength={100_000}
        placeholder="What should be different afterwards, and how one can tell"
      />
      <NativeSelect
        label="Project"
        value={project}
        onChange={(event) => setProject(event.currentTarget.value)}
        data={projects.map((one) => ({ value: one.id, label: plain(one.name) }))}
      />
      <Missing project={projects.find((one) => one.id === project)} />
      <Button variant="subtle" className="to-left" aria-expanded={more} onClick={() => setMore(!more)}>
        {more ? "Fewer settings" : "Criteria, priority, labels…"}
      </Button>
      <Collapse expanded={more} transitionDuration={0}>
        <More wish={wish} change={(changed) => setWish({ ...wish, ...changed })} />
      </Collapse>
      <Notice error={create.error} />
      <div className="row dialog-end">
        <label className="row">
          <input
            type="checkbox"
            checked={another}
            onChange={(event) => setAnother(event.currentTarget.checked)}
          />{" "}
          And then another
        </label>
        <Button
          type="submit"
          loading={create.isPending}
          rightSection={
            <kbd className="on-accent" aria-hidden>
              Ctrl ⏎
            </kbd>
          }
        >
          Create
        </Button>
      </div>
    </form>
  );
}

/** A task, or a comparison where several agents are to do the same. */
function make(
  project_id: string,
  texts: ReturnType<typeof textsOf>,
  { priority, labels, agents }: Wish,
  header: ReturnType<typeof once>,
): Promise<Task | Comparison> {
  const params = { path: { project_id }, header };
  const body = { ...texts, priority: Number(priority) || 0, labels };
  if (agents.length === 0)
    return taken(api.POST("/api/v1/projects/{project_id}/tasks", { params, body: body as never }));
  const candidates = agents.map(candidateOf);
  return taken(
    api.POST("/api/v1/projects/{project_id}/comparisons", { params, body: { ...body, candidates } as never }),
  );
}

function overlapsOf({ overlaps = [], waits_for }: Task): string {
  if (overlaps.length === 0) return "";
  const others = overlaps.length === 1 ? "other work" : `${overlaps.length} others`;
  return waits_for ? `. It waits for ${others} on the same files` : `. It overlaps with ${others}`;
}

function textsOf(fields: FormData) {
  const lines = (name: string) => linesOf(String(fields.get(name) ?? ""));
  return {
    title: String(fields.get("title")),
    description: String(fields.get("description")),
    acceptance_criteria: lines("criteria"),
    target_files: lines("files"),
  };
}

/** Says before the task is made why it would wait. */
function Missing({ project }: { project: Project | undefined }) {
  const workers = useQuery(workersQuery).data;
  const away = workers?.every((worker) => worker.state === "offline" || worker.state === "quarantined");
  const why = away
    ? "No worker is connected, so it will wait for one."
    : project && project.automation !== "running"
      ? `The project's automation is ${project.automation}, so it will wait until that runs.`
      : "";
  return why ? <p className="quiet">{why}</p> : null;
}
