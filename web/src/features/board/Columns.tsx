import { Button } from "@mantine/core";
import { memo, startTransition, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { type Board, readMore } from "../../api/board";
import type { Project, Task } from "../../api/client";
import { toastError } from "../../lib/toasts";
import { Card } from "./Card";
import { COLUMNS, type Column, STATES_OF } from "./columns";
import { useColumnDrop } from "./drag";

/** What a window shows of a column. */
const SEEN = 10;
const FIRST = 30;
const [opened] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
/** The rest comes once the page is painted, unless its place has to be found again. */
let first = opened?.type === "navigate" ? SEEN : FIRST;
const MORE = 60;

type Props = {
  board: Board;
  columns: Map<Column, Task[]>;
  projects: Map<string, Project>;
  project: string | undefined;
  chosen: ReadonlySet<string>;
  choose: (task: Task) => void;
  openMenu: (task: Task, column: Column, button: HTMLElement) => void;
};

export function Columns(props: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (scroller.current) beginWithTasks(scroller.current);
  }, []);
  return (
    <>
      <nav className="column-tabs" aria-label="Columns">
        {COLUMNS.map((column) => (
          <button
            key={column}
            type="button"
            data-column={column}
            onClick={() =>
              scroller.current
                ?.querySelector(`[data-column="${column}"]`)
                ?.scrollIntoView({ inline: "center", block: "nearest" })
            }
          >
            <span className="dot" aria-hidden /> {column} <b>{props.columns.get(column)?.length ?? 0}</b>
          </button>
        ))}
      </nav>
      <div className="board" ref={scroller}>
        {COLUMNS.map((column) => (
          <ColumnBox key={column} {...props} column={column} tasks={props.columns.get(column) ?? []} />
        ))}
      </div>
    </>
  );
}

/** Where one column fills the window, an empty one looks like an empty board. */
function beginWithTasks(scroller: HTMLElement) {
  const first = scroller.querySelector<HTMLElement>('[data-empty="false"]');
  if (first && first.offsetWidth * 2 > scroller.clientWidth)
    scroller.scrollLeft = first.offsetLeft - scroller.offsetLeft;
}

type BoxProps = Omit<Props, "columns"> & { column: Column; tasks: Task[] };

const ColumnBox = memo(function ColumnBox(props: BoxProps) {
  const { board, column, tasks, projects, project, chosen, choose, openMenu } = props;
  const element = useRef<HTMLElement>(null);
  const over = useColumnDrop(element, column);
  const [shown, setShown] = useState(first);
  useEffect(() => {
    first = FIRST;
    startTransition(() => setShown((now) => Math.max(now, FIRST)));
  }, []);
  const unread = STATES_OF[column].filter((state) => board.next[state] !== null);
  const more = useCallback(async () => {
    setShown((now) => now + MORE);
    if (shown + MORE < tasks.length) return;
    await Promise.all(unread.map((state) => readMore(project, state))).catch(toastError);
  }, [shown, tasks.length, unread, project]);
  return (
    <section
      ref={element}
      className="column"
      aria-labelledby={`column-${COLUMNS.indexOf(column)}`}
      data-column={column}
      data-empty={tasks.length === 0}
      data-over={over}
    >
      <h2 id={`column-${COLUMNS.indexOf(column)}`}>
        <span className="dot" aria-hidden="true" /> {column}{" "}
        <span className="quiet">
          {tasks.length}
          {unread.length > 0 && "+"}
        </span>
      </h2>
      <ul>
        {tasks.slice(0, shown).map((task) => (
          <Card
            key={task.id}
            task={task}
            column={column}
            project={projects.get(task.project_id)}
            execution={board.executions.get(task.id)}
            change={task.change_id ? board.openChanges.get(task.change_id) : undefined}
            chosen={chosen.has(task.id)}
            choose={choose}
            openMenu={openMenu}
          />
        ))}
      </ul>
      {shown >= FIRST && (tasks.length > shown || unread.length > 0) && (
        <Button variant="default" fullWidth size="compact-sm" onClick={() => void more()}>
          Show more
        </Button>
      )}
    </section>
  );
});
