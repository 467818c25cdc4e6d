import { Menu } from "@mantine/core";
import {
  IconArrowBarToDown,
  IconArrowBarToUp,
  IconArrowDown,
  IconArrowUp,
  IconChevronsDown,
  IconChevronsUp,
  IconClockPause,
  IconPlayerPlay,
  IconRefresh,
  IconX,
} from "@tabler/icons-react";
import type { Task } from "../../api/client";
import * as deeds from "../../api/tasks";
import * as act from "./actions";
import type { Column } from "./columns";

export type Opened = { task: Task; column: Column; button: HTMLElement };

const STEP = 10;

/** One menu for all cards: thousands of them would make the board slow. */
export function CardMenu({ opened, order, close }: { opened: Opened; order: Task[]; close: () => void }) {
  const { task, column, button } = opened;
  const box = button.getBoundingClientRect();
  const queued = column === "Queued";
  return (
    <Menu
      opened
      onClose={() => {
        close();
        button.focus();
      }}
      position="bottom-end"
      width={230}
      shadow="md"
    >
      <Menu.Target>
        <span className="menu-anchor" style={{ left: box.right, top: box.bottom }} />
      </Menu.Target>
      <Menu.Dropdown>
        {queued && (
          <>
            <Item icon={IconArrowBarToUp} text="First in the queue" run={() => act.toTheFront(task, order)} />
            <Item icon={IconArrowUp} text="Up" run={() => act.step(task, order, -1)} />
            <Item icon={IconArrowDown} text="Down" run={() => act.step(task, order, 1)} />
            <Item icon={IconArrowBarToDown} text="Last in the queue" run={() => act.toTheEnd(task, order)} />
            <Menu.Divider />
          </>
        )}
        {deeds.canMove(task) && (
          <>
            <Item
              icon={IconChevronsUp}
              text={`Priority ${task.priority + STEP}`}
              run={() => deeds.setPriority(task, Math.min(1000, task.priority + STEP))}
            />
            <Item
              icon={IconChevronsDown}
              text={`Priority ${task.priority - STEP}`}
              run={() => deeds.setPriority(task, Math.max(-1000, task.priority - STEP))}
            />
            <Menu.Divider />
          </>
        )}
        {queued && <Item icon={IconClockPause} text="Back to the backlog" run={() => deeds.holdBack(task)} />}
        {task.draft && <Item icon={IconPlayerPlay} text="Ready: queue it" run={() => deeds.ready(task)} />}
        {task.pending_reason === "overlap" && (
          <Item icon={IconPlayerPlay} text="Run it all the same" run={() => deeds.requeue(task)} />
        )}
        {deeds.canRetry(task) && <Item icon={IconRefresh} text="Try again" run={() => deeds.retry(task)} />}
        {deeds.canCancel(task) && <Item icon={IconX} text="Cancel" run={() => deeds.cancel(task)} danger />}
        {column === "Done" || column === "In review" ? <Menu.Label>Nothing to do here</Menu.Label> : null}
      </Menu.Dropdown>
    </Menu>
  );
}

type ItemProps = { icon: typeof IconX; text: string; run: () => unknown; danger?: boolean };

function Item({ icon: Icon, text, run, danger }: ItemProps) {
  return (
    <Menu.Item
      leftSection={<Icon size={17} stroke={1.7} />}
      c={danger ? "var(--bad)" : undefined}
      onClick={() => void run()}
    >
      {text}
    </Menu.Item>
  );
}
