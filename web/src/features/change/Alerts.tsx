import { IconAlertTriangle, IconArrowsSplit, IconGitMerge, IconRobot } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Change } from "../../api/client";
import { openChangesQuery } from "../../api/queries";
import { plain } from "../../components/plain";
import { collisions, respondingTask } from "../../lib/changes";
import { MergedFirst } from "./MergedFirst";

const ERRANDS: Record<string, string> = {
  requested: "A worker was asked to",
  assigned: "A worker is about to",
  failed: "No worker could",
};

/** What somebody has to know before they decide over the change, the gravest first. */
export function Alerts({ change }: { change: Change }) {
  if (change.state !== "open") return <Errand change={change} />;
  const base = change.conflicts?.find((one) => one.change_id === null);
  const responding = respondingTask(change);
  return (
    <>
      <Errand change={change} />
      {change.attention && <Alert tone="warn">{plain(change.attention)}</Alert>}
      {base && (
        <Alert tone="warn">
          It can't be merged into <code>{plain(base.branch)}</code> as that is now: <Names {...base} />
        </Alert>
      )}
      {change.forge_status?.checks === "failing" && (
        <Alert tone="warn">
          The forge's own checks fail{change.url && <>; {forgeLink(change.url, "see them there")}</>}.
        </Alert>
      )}
      <Collisions change={change} />
      {change.undecided && change.comparison_id && (
        <Alert icon={<IconArrowsSplit size={18} aria-hidden />}>
          One of several candidates: it can be merged once it is chosen.{" "}
          <Link to="/comparisons/$comparisonId" params={{ comparisonId: change.comparison_id }}>
            Compare them
          </Link>
        </Alert>
      )}
      {responding && (
        <Alert icon={<IconRobot size={18} aria-hidden />}>
          An agent is at it:{" "}
          <Link to="/tasks/$taskId" params={{ taskId: responding.task_id }}>
            #{responding.number} {plain(responding.title)}
          </Link>
          {change.update?.task_id === responding.task_id && (
            <>
              , since <MergedFirst {...change.update} /> came into <code>{plain(change.base_branch)}</code>{" "}
              first
            </>
          )}
        </Alert>
      )}
    </>
  );
}

function Collisions({ change }: { change: Change }) {
  const open = useQuery(openChangesQuery).data;
  const others = collisions(change);
  if (others.length === 0) return null;
  return (
    <Alert tone="warn">
      Whichever is merged first, the other one has conflicts then:
      <ul>
        {others.map((one) => (
          <li key={one.change_id}>
            <Link to="/changes/$changeId" params={{ changeId: one.change_id }}>
              {plain(open?.find(({ id }) => id === one.change_id)?.title ?? one.branch)}
            </Link>{" "}
            in <Names {...one} />
          </li>
        ))}
      </ul>
    </Alert>
  );
}

/** The first of the files in which something collides. */
function Names({ files, total }: { files: string[]; total: number }) {
  const shown = files.slice(0, 3);
  return (
    <>
      {shown.map((name, place) => (
        <span key={name}>
          {place > 0 && ", "}
          <code>{plain(name)}</code>
        </span>
      ))}
      {total > shown.length && ` and ${total - shown.length} more`}
    </>
  );
}

export const forgeLink = (url: string, text: string) =>
  /^https?:\/\//.test(url) ? (
    <a href={url} target="_blank" rel="noreferrer">
      {text}
    </a>
  ) : (
    text
  );

function Errand({ change: { errand } }: { change: Change }) {
  const words = errand && ERRANDS[errand.state];
  if (!words) return null;
  const failed = errand.state === "failed";
  return (
    <div role="status">
      <Alert
        tone={failed ? "warn" : undefined}
        icon={failed ? undefined : <IconGitMerge size={18} aria-hidden />}
      >
        {words} {errand.kind} this change. {plain(errand.message)}
      </Alert>
    </div>
  );
}

function Alert({ tone, icon, children }: { tone?: "warn"; icon?: ReactNode; children: ReactNode }) {
  return (
    <div className="change-alert" data-tone={tone}>
      {icon ?? <IconAlertTriangle size={18} aria-hidden />}
      <div>{children}</div>
    </div>
  );
}
