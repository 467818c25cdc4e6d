import { Button, Checkbox, TextInput } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlayerStop } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Automation, api, once, taken } from "../../api/client";
import { automationQuery, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { toastError } from "../../lib/toasts";

type Deed = "pause" | "resume" | "stop";

const DEFAULT_LIST = "task_lists.md";

export function Controls({ automation }: { automation: Automation }) {
  const { state, project_id } = automation;
  const [open, setOpen] = useState<"start" | "stop" | null>(null);
  const ask = useMutation({
    mutationFn: (deed: Deed) =>
      taken(
        api.POST(`/api/v1/projects/{project_id}/automation/${deed}`, {
          params: { path: { project_id }, header: once() },
        }),
      ),
    onSuccess: (now) => queryClient.setQueryData(automationQuery(project_id).queryKey, now),
    onError: toastError,
  });
  const button = (deed: Deed, name: string, Icon: typeof IconPlayerPlay, first = false) => (
    <Button
      variant={first ? "filled" : "default"}
      leftSection={<Icon size={17} />}
      loading={ask.isPending && ask.variables === deed}
      onClick={() => (deed === "stop" ? setOpen("stop") : ask.mutate(deed))}
    >
      {name}
    </Button>
  );
  return (
    <div className="row">
      {state === "stopped" && (
        <Button leftSection={<IconPlayerPlay size={17} />} onClick={() => setOpen("start")}>
          Start
        </Button>
      )}
      {state === "running" && button("pause", "Pause", IconPlayerPause)}
      {(state === "paused" || state === "halted") && button("resume", "Resume", IconPlayerPlay, true)}
      {state !== "stopped" && button("stop", "Stop", IconPlayerStop)}
      {state === "running" && (
        <Button variant="default" onClick={() => setOpen("start")}>
          Follow a list
        </Button>
      )}
      {open === "start" && <Start automation={automation} close={() => setOpen(null)} />}
      {open === "stop" && (
        <Confirm
          title="Stop the automation?"
          text="What runs ends with its work saved, and is queued again for the next start. No try is used up."
          yes="Stop"
          close={() => setOpen(null)}
          confirm={() => ask.mutate("stop")}
        />
      )}
    </div>
  );
}

function Start({ automation, close }: { automation: Automation; close: () => void }) {
  const { project_id, task_list, state } = automation;
  const [follows, setFollows] = useState(state === "running" || task_list !== null);
  const [path, setPath] = useState(task_list?.path ?? DEFAULT_LIST);
  const start = useMutation({
    mutationFn: () =>
      taken(
        api.POST("/api/v1/projects/{project_id}/automation/start", {
          params: { path: { project_id } },
          body: { task_list: follows ? path : null },
        }),
      ),
    onSuccess: (now) => {
      queryClient.setQueryData(automationQuery(project_id).queryKey, now);
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    start.mutate();
  };
  return (
    <Dialog close={close} title={state === "running" ? "Follow a task list" : "Start the automation"}>
      <form className="stack" onSubmit={submit}>
        <Checkbox
          label="Follow a task list of the repository"
          description="Its open items become tasks, in the order of the file. It is read again after every merge."
          checked={follows}
          onChange={(event) => setFollows(event.currentTarget.checked)}
        />
        <TextInput
          label="Path of the list"
          value={path}
          disabled={!follows}
          required={follows}
          maxLength={500}
          onChange={(event) => setPath(event.currentTarget.value)}
        />
        <Notice error={start.error} />
        <Button type="submit" loading={start.isPending}>
          {state === "running" ? (follows ? "Follow it" : "Follow none") : "Start"}
        </Button>
      </form>
    </Dialog>
  );
}
