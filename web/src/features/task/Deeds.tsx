import { ActionIcon, Button, Menu } from "@mantine/core";
import { IconArrowBarToDown, IconArrowBarToUp, IconDots, IconRestore } from "@tabler/icons-react";
import { useState } from "react";
import type { Execution, Task } from "../../api/client";
import * as act from "../../api/tasks";
import { SureButton } from "../../components/SureButton";
import { priorityRows, type Row, turnRows } from "../../components/taskRows";

/** What can be done with the task as it stands now: the likely things as buttons, the others in a menu. */
export function Deeds({ task, executions }: { task: Task; executions: Execution[] }) {
  const [busy, setBusy] = useState(false);
  const run = async (deed: () => Promise<unknown>) => {
    setBusy(true);
    await deed().finally(() => setBusy(false));
  };
  const saved = executions.some((one) => one.salvage_ref);
  const rows = menuOf(task);
  return (
    <div className="row deeds">
      {act.canRetry(task) && saved && (
        <Button disabled={busy} onClick={() => run(() => act.retry(task, { resume: true }))}>
          Resume its saved work
        </Button>
      )}
      {act.canRetry(task) && (
        <Button
          variant={saved ? "default" : "filled"}
          disabled={busy}
          onClick={() => run(() => act.retry(task))}
        >
          Try again
        </Button>
      )}
      {task.draft && task.state === "pending" && (
        <Button disabled={busy} onClick={() => run(() => act.ready(task))}>
          Queue it
        </Button>
      )}
      {act.canCancel(task) && (
        <SureButton
          size="sm"
          disabled={busy}
          word="Cancel"
          title="Cancel this task?"
          text="An execution that runs is stopped, and its unfinished work is saved."
          yes="Cancel the task"
          run={() => void run(() => act.cancel(task))}
        />
      )}
      {rows.length > 0 && (
        <Menu position="bottom-end" width={250} shadow="md">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label="More to do with this task" disabled={busy}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {rows.map(({ icon: Icon, text, run: deed }) => (
              <Menu.Item key={text} leftSection={<Icon size={17} stroke={1.7} />} onClick={() => run(deed)}>
                {text}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  );
}

function menuOf(task: Task): Row[] {
  const rows = [...turnRows(task), ...priorityRows(task)];
  if (task.state === "queued")
    return [
      { icon: IconArrowBarToUp, text: "First in the queue", run: () => act.moveToEdge(task, "front") },
      { icon: IconArrowBarToDown, text: "Last in the queue", run: () => act.moveToEdge(task, "end") },
      ...rows,
    ];
  if (task.state === "running" || task.state === "waiting")
    return [{ icon: IconRestore, text: "Take it back and queue it again", run: () => act.requeue(task) }];
  return rows;
}
