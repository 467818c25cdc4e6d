import { Button, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, type Project, taken } from "../../api/client";
import { projectsQuery, queryClient } from "../../api/queries";
import { Dialog } from "../../components/Dialog";
import { DollarInput, dollarsOf, microsOf } from "../../components/DollarInput";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { commandsOf, textOf } from "../../lib/lines";
import { toast } from "../../lib/toasts";

export function Projects() {
  const projects = useQuery(projectsQuery);
  const [edited, edit] = useState<Project | null>(null);
  return (
    <section className="panel">
      <div className="row between">
        <h2>Projects</h2>
        <Button component={Link} to="/start" size="compact-sm" variant="default">
          Add a repository
        </Button>
      </div>
      <Notice error={projects.error} />
      {projects.data?.length === 0 && <p className="quiet">There is none yet.</p>}
      <ul className="lines">
        {projects.data?.map((project) => (
          <li key={project.id} data-row>
            <span>
              <strong>{plain(project.name)}</strong>
              <span className="quiet">{plain(project.repository)}</span>
            </span>
            <span className="quiet">
              {plain(project.agent.name)} · {project.max_running} at once
            </span>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => edit(project)}
              aria-label={`Change ${plain(project.name)}`}
            >
              Change
            </Button>
          </li>
        ))}
      </ul>
      {edited && <EditProject project={edited} close={() => edit(null)} />}
    </section>
  );
}

type OverlapRule = NonNullable<Project["change_rules"]["overlap"]>;

const OVERLAP: Record<OverlapRule, string> = {
  warn: "Show it, and run the task",
  queue: "Let the later task wait",
  update: "Bring the later change up to date",
};

function EditProject({ project, close }: { project: Project; close: () => void }) {
  const [name, setName] = useState(project.name);
  const [verify, setVerify] = useState(textOf(project.verify_commands));
  const [running, setRunning] = useState<number | string>(project.max_running);
  const [budget, setBudget] = useState(dollarsOf(project.daily_budget_micros));
  const [overlap, setOverlap] = useState<OverlapRule>(project.change_rules.overlap);
  const save = useMutation({
    mutationFn: () =>
      taken(
        api.PATCH("/api/v1/projects/{project_id}", {
          params: { path: { project_id: project.id }, header: { "if-match": `"${project.version}"` } },
          body: {
            name,
            // Lines that were not changed stay the very arguments that they were.
            ...(verify !== textOf(project.verify_commands) && { verify_commands: commandsOf(verify) }),
            max_running: Number(running) || 1,
            daily_budget_micros: microsOf(budget),
            ...(overlap !== project.change_rules.overlap && {
              change_rules: { ...project.change_rules, overlap },
            }),
          },
        }),
      ),
    onSuccess: () => {
      toast("Saved.");
      close();
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["projects"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <Dialog close={close} title={plain(project.name)}>
      <form className="stack" onSubmit={submit}>
        <TextInput
          label="Name"
          required
          maxLength={80}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
        <Textarea
          label="Verify with"
          description="One command a line. Left empty, it is told by the repository's files."
          autosize
          minRows={2}
          value={verify}
          onChange={(event) => setVerify(event.currentTarget.value)}
        />
        <NumberInput label="Tasks at once" min={1} max={1000} value={running} onChange={setRunning} />
        <DollarInput
          label="Dollars a day"
          description="By UTC. Empty: no limit"
          value={budget}
          change={setBudget}
        />
        <NativeSelect
          label="When tasks are about the same files"
          value={overlap}
          onChange={(event) => setOverlap(event.currentTarget.value as OverlapRule)}
          data={Object.entries(OVERLAP).map(([value, label]) => ({ value, label }))}
        />
        <Notice error={save.error} />
        <Button type="submit" loading={save.isPending}>
          Save
        </Button>
      </form>
    </Dialog>
  );
}
