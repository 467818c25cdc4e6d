import { Menu } from "@mantine/core";
import {
  IconArrowBarToDown,
  IconArrowBarToUp,
  IconArrowDown,
  IconArrowUp,
  IconPlayerPlay,
  IconRefresh,
  IconX,
} from "@tabler/icons-react";
import { Fragment } from "react";
import type { Task } from "../../api/client";
import * as deeds from "../../api/tasks";
import { priorityRows, type Row, turnRows } from "../../components/taskRows";
import * as act from "./actions";
import type { Column } from "./columns";

export type Opened = { task: Task; column: Column; button: HTMLElement };

/** One menu for all cards: thousands of them would make the board slow. */
export default function CardMenu({
  opened,
  order,
  close,
}: {
  opened: Opened;
  order: Task[];
  close: () => void;
}) {
  const { task, column, button } = opened;
  const box = button.getBoundingClientRect();
  const groups = [
    column === "Queued" ? placeRows(task, order) : [],
    priorityRows(task),
    [...turnRows(task), ...stateRows(task)],
  ].filter((rows) => rows.length > 0);
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
        {groups.map((rows, place) => (
          <Fragment key={place}>
            {place > 0 && <Menu.Divider />}
            {rows.map(({ icon: Icon, text, run }) => (
              <Menu.Item
                key={text}
                leftSection={<Icon size={17} stroke={1.7} />}
                c={Icon === IconX ? "var(--bad)" : undefined}
                onClick={() => void run()}
              >
                {text}
              </Menu.Item>
            ))}
          </Fragment>
        ))}
        {groups.length === 0 && <Menu.Label>Nothing to do here</Menu.Label>}
      </Menu.Dropdown>
    </Menu>
  );
}

const placeRows = (task: Task, order: Task[]): Row[] => [
  { icon: IconArrowBarToUp, text: "First in the queue", run: () => act.toTheFront(task, order) },
  { icon: IconArrowUp, text: "Up", run: () => act.step(task, order, -1) },
  { icon: IconArrowDown, text: "Down", run: () => act.step(task, order, 1) },
  { icon: IconArrowBarToDown, text: "Last in the queue", run: () => act.toTheEnd(task, order) },
];

function stateRows(task: Task): Row[] {
  const rows: Row[] = [];
  if (task.draft) rows.push({ icon: IconPlayerPlay, text: "Ready: queue it", run: () => deeds.ready(task) });
  if (deeds.canRetry(task)) rows.push({ icon: IconRefresh, text: "Try again", run: () => deeds.retry(task) });
  if (deeds.canCancel(task)) rows.push({ icon: IconX, text: "Cancel", run: () => deeds.cancel(task) });
  return rows;
}
