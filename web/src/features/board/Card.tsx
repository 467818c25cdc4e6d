import { IconDots } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { memo, useRef } from "react";
import type { Change, Execution, Project, Task } from "../../api/client";
import { AgentMark } from "../../components/AgentMark";
import { plain } from "../../components/plain";
import { dollars, duration, useNow } from "../../lib/format";
import { agentOf, type Column } from "./columns";
import { useCardDrag } from "./drag";
import { Standing } from "./Standing";

type Props = {
  task: Task;
  column: Column;
  project: Project | undefined;
  execution: Execution | undefined;
  /** The task's own, while it is open. */
  change: Change | undefined;
  chosen: boolean;
  choose: (task: Task) => void;
  openMenu: (task: Task, column: Column, button: HTMLElement) => void;
};

export const Card = memo(function Card(props: Props) {
  const { task, column, project, execution, change, chosen, choose, openMenu } = props;
  const element = useRef<HTMLLIElement>(null);
  const { edge, away } = useCardDrag(element, task, column);
  const agent = agentOf(task, project);
  const cost = execution && execution.cost_micros > 0 ? dollars(execution.cost_micros) : "";
  return (
    <li
      ref={element}
      className="card"
      data-row
      data-task={task.id}
      data-edge={edge}
      data-away={away}
      data-chosen={chosen}
    >
      <div className="card-top">
        <input
          type="checkbox"
          checked={chosen}
          onChange={() => choose(task)}
          aria-label={`Choose ${plain(task.title)}`}
        />
        {task.priority !== 0 && <Priority value={task.priority} />}
        <span className="card-number">
          {plain(project?.name ?? "")}#{task.number}
        </span>
        <button
          type="button"
          className="card-menu"
          aria-label={`Actions for ${plain(task.title)}`}
          aria-haspopup="menu"
          onClick={(event) => openMenu(task, column, event.currentTarget)}
        >
          <IconDots size={17} />
        </button>
      </div>
      <Link to="/tasks/$taskId" params={{ taskId: task.id }} className="card-title" draggable={false}>
        {plain(task.title)}
      </Link>
      <Standing task={task} column={column} execution={execution} change={change} />
      <div className="card-line">
        {agent && <AgentMark name={agent} />}
        {task.labels.slice(0, 2).map((label) => (
          <span key={label} className="chip">
            {plain(label)}
          </span>
        ))}
        {task.labels.length > 2 && <span className="quiet">+{task.labels.length - 2}</span>}
        <span className="card-facts">
          {cost}
          {execution && column === "Running" && (
            <>
              {cost && " · "}
              <Since at={execution.started_at ?? execution.assigned_at} />
            </>
          )}
        </span>
      </div>
    </li>
  );
});

function Priority({ value }: { value: number }) {
  const tone = value >= 50 ? "urgent" : value > 0 ? "high" : "low";
  return (
    <span className="priority" data-tone={tone} title="Priority: higher runs earlier">
      {value > 0 ? `+${value}` : value}
    </span>
  );
}

function Since({ at }: { at: string }) {
  return <>{duration((useNow(5) - Date.parse(at)) / 1000)}</>;
}
