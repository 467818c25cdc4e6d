import { IconAlertTriangle, IconClock, IconDots, IconGitPullRequest } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { memo, useRef } from "react";
import type { Execution, Project, Task } from "../../api/client";
import { AgentMark } from "../../components/AgentMark";
import { plain } from "../../components/plain";
import { dollars, duration, useNow } from "../../lib/format";
import { words } from "../../lib/words";
import { agentOf, type Column } from "./columns";
import { useCardDrag } from "./drag";

type Props = {
  task: Task;
  column: Column;
  project: Project | undefined;
  execution: Execution | undefined;
  chosen: boolean;
  choose: (task: Task) => void;
  openMenu: (task: Task, column: Column, button: HTMLElement) => void;
};

export const Card = memo(function Card(props: Props) {
  const { task, column, project, execution, chosen, choose, openMenu } = props;
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
      <Standing task={task} column={column} execution={execution} />
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

/** Why it stands where it stands, where that is not clear from the column. */
function Standing({ task, column, execution }: { task: Task; column: Column; execution?: Execution }) {
  if (column === "Running" && execution && !execution.finished_at)
    return (
      <p className="standing" data-tone="live">
        <span className="pulse" aria-hidden /> {words(execution.state)}
      </p>
    );
  if (column === "In review")
    return (
      <p className="standing" data-tone="review">
        <IconGitPullRequest size={15} aria-hidden />
        ready for review
      </p>
    );
  const wants = task.unmet_labels?.length ? `no worker has ${task.unmet_labels.map(plain).join(", ")}` : "";
  const why =
    wants ||
    (column === "Needs you" && execution?.question ? plain(execution.question.question).slice(0, 120) : "") ||
    words(task.reason ?? task.pending_reason ?? (task.state === "cancelled" ? "cancelled" : ""));
  if (!why) return null;
  const bad = wants !== "" || column === "Failed" || column === "Needs you";
  return (
    <p className="standing" data-tone={bad ? "warn" : "quiet"}>
      {bad ? <IconAlertTriangle size={15} aria-hidden /> : <IconClock size={15} aria-hidden />}
      {why}
    </p>
  );
}
