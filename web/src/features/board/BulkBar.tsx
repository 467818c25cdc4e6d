import { Button, Menu } from "@mantine/core";
import { useState } from "react";
import type { Task } from "../../api/client";
import { canCancel, cancel, canMove, canRetry, retry, setPriority } from "../../api/tasks";
import { each } from "./actions";

const PRIORITIES = [100, 10, 0, -10];

/** What can be done to all chosen tasks at once. */
export default function BulkBar({ tasks, clear }: { tasks: Task[]; clear: () => void }) {
  const [busy, setBusy] = useState(false);
  const run = async (what: string, fits: (task: Task) => boolean, act: (task: Task) => Promise<boolean>) => {
    setBusy(true);
    await each(tasks.filter(fits), what, act);
    setBusy(false);
    clear();
  };
  const count = (fits: (task: Task) => boolean) => tasks.filter(fits).length;
  return (
    <section className="bulk" aria-label="Chosen tasks">
      <strong>{tasks.length} chosen</strong>
      <Menu position="top" shadow="md">
        <Menu.Target>
          <Button variant="default" disabled={busy || count(canMove) === 0}>
            Priority
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {PRIORITIES.map((priority) => (
            <Menu.Item
              key={priority}
              onClick={() => run("Priority set", canMove, (task) => setPriority(task, priority))}
            >
              {priority > 0 ? `+${priority}` : priority}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Button
        variant="default"
        disabled={busy || count(canRetry) === 0}
        onClick={() => run("Tried again", canRetry, retry)}
      >
        Try again
      </Button>
      <Button
        color="red"
        disabled={busy || count(canCancel) === 0}
        onClick={() => run("Cancelled", canCancel, cancel)}
      >
        Cancel them
      </Button>
      <Button variant="subtle" onClick={clear}>
        Clear
      </Button>
    </section>
  );
}
