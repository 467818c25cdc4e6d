import { ActionIcon, Button, Menu } from "@mantine/core";
import {
  IconArrowBarToDown,
  IconArrowBarToUp,
  IconChevronsDown,
  IconChevronsUp,
  IconClockPause,
  IconDots,
  IconPlayerPlay,
  IconRestore,
} from "@tabler/icons-react";
import { useState } from "react";
import type { Execution, Task } from "../../api/client";
import * as act from "../../api/tasks";
import { Confirm } from "../../components/Confirm";

const STEP = 10;

/** What can be done with the task as it stands now: the likely things as buttons, the others in a menu. */
export function Deeds({ task, executions }: { task: Task; executions: Execution[] }) {
  const [busy, setBusy] = useState(false);
  const [cancelling, setCancelling] = useState(false);
  const run = async (deed: () => Promise<unknown>) => {
    setBusy(true);
    await deed();
    setBusy(false);
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
        <Button variant="default" disabled={busy} onClick={() => setCancelling(true)}>
          Cancel
        </Button>
      )}
      {rows.length > 0 && (
        <Menu position="bottom-end" width={250} shadow="md">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label="More to do with this task" disabled={busy}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {rows.map(({ icon: Icon, text, deed }) => (
              <Menu.Item key={text} leftSection={<Icon size={17} stroke={1.7} />} onClick={() => run(deed)}>
                {text}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
      {cancelling && (
        <Confirm
          title="Cancel this task?"
          text="An execution that runs is stopped, and its unfinished work is saved."
          yes="Cancel the task"
          close={() => setCancelling(false)}
          confirm={() => void run(() => act.cancel(task))}
        />
      )}
    </div>
  );
}

type Row = { icon: typeof IconDots; text: string; deed: () => Promise<unknown> };

function menuOf(task: Task): Row[] {
  const { priority, state } = task;
  const rows: Row[] = [];
  if (state === "running" || state === "waiting")
    rows.push({ icon: IconRestore, text: "Take it back and queue it again", deed: () => act.requeue(task) });
  if (task.pending_reason === "overlap" || task.pending_reason === "backoff")
    rows.push({ icon: IconPlayerPlay, text: "Run it all the same", deed: () => act.requeue(task) });
  if (state === "queued")
    rows.push(
      { icon: IconArrowBarToUp, text: "First in the queue", deed: () => act.moveToEdge(task, "front") },
      { icon: IconArrowBarToDown, text: "Last in the queue", deed: () => act.moveToEdge(task, "end") },
      { icon: IconClockPause, text: "Back to the backlog", deed: () => act.holdBack(task) },
    );
  if (act.canMove(task))
    rows.push(
      {
        icon: IconChevronsUp,
        text: `Priority ${priority + STEP}`,
        deed: () => act.setPriority(task, Math.min(1000, priority + STEP)),
      },
      {
        icon: IconChevronsDown,
        text: `Priority ${priority - STEP}`,
        deed: () => act.setPriority(task, Math.max(-1000, priority - STEP)),
      },
    );
  return rows;
}
