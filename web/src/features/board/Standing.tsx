import { IconAlertTriangle, IconClock, IconGitCompare, IconGitPullRequest } from "@tabler/icons-react";
import type { Change, Execution, Task } from "../../api/client";
import { plain } from "../../components/plain";
import { collisions, problemsOf, respondingTask, underWay } from "../../lib/changes";
import { words } from "../../lib/words";
import type { Column } from "./columns";

type Props = {
  task: Task;
  column: Column;
  execution: Execution | undefined;
  change: Change | undefined;
};

/** Why it stands where it stands, where that is not clear from the column. */
export function Standing({ task, column, execution, change }: Props) {
  if (column === "Running" && execution && !execution.finished_at)
    return (
      <p className="standing" data-tone="live">
        <span className="pulse" aria-hidden /> {words(execution.state)}
      </p>
    );
  if (column === "In review") return <InReview change={change} />;
  const wants = task.unmet_labels?.length ? `no worker has ${task.unmet_labels.map(plain).join(", ")}` : "";
  const why = wants || reasonOf(task, column, execution);
  const bad = wants !== "" || column === "Failed" || column === "Needs you";
  return (
    <>
      {why && (
        <p className="standing" data-tone={bad ? "warn" : "quiet"}>
          {bad ? <IconAlertTriangle size={15} aria-hidden /> : <IconClock size={15} aria-hidden />}
          {why}
        </p>
      )}
      {(column === "Queued" || column === "Backlog") && <Overlaps task={task} />}
    </>
  );
}

function reasonOf(task: Task, column: Column, execution: Execution | undefined): string {
  if (column === "Needs you" && execution?.question) return plain(execution.question.question).slice(0, 120);
  if (task.pending_reason === "overlap") return "waits for work on the same files";
  return words(task.reason ?? task.pending_reason ?? (task.state === "cancelled" ? "cancelled" : ""));
}

function InReview({ change }: { change: Change | undefined }) {
  const others = change ? collisions(change).length : 0;
  const problems = change ? [...problemsOf(change), ...(others > 0 ? [`collides with ${others}`] : [])] : [];
  if (problems.length > 0)
    return (
      <p className="standing" data-tone="warn">
        <IconAlertTriangle size={15} aria-hidden />
        {plain(problems.join(", "))}
      </p>
    );
  const deed = change && (underWay(change) ?? (respondingTask(change) && "response"));
  const standing = change?.undecided
    ? "one of several to choose from"
    : change?.approval
      ? "approved"
      : "ready for review";
  return (
    <p className="standing" data-tone="review">
      <IconGitPullRequest size={15} aria-hidden />
      {deed ? `${deed} under way` : standing}
    </p>
  );
}

/** With what work under way it would collide, told before it is begun. */
function Overlaps({ task: { overlaps = [] } }: { task: Task }) {
  if (overlaps.length === 0) return null;
  const files = [...new Set(overlaps.flatMap((one) => one.files))];
  const more = Math.max(0, Math.max(...overlaps.map((one) => one.total)) - 2);
  return (
    <p className="standing" data-tone="warn" title={plain(files.join("\n"))}>
      <IconGitCompare size={15} aria-hidden />
      <span>
        overlaps with {overlaps.length === 1 ? "other work" : `${overlaps.length} others`} in{" "}
        {plain(files.slice(0, 2).join(", ").slice(0, 120))}
        {more > 0 && ` and ${more} more`}
      </span>
    </p>
  );
}
