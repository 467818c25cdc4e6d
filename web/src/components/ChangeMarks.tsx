import {
  IconAlertTriangle,
  IconCircleCheck,
  IconClock,
  IconGitCompare,
  IconUserCheck,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { Change } from "../api/client";
import { collisions, problemsOf, receiptLevel, respondingTask, sizeOf, underWay } from "../lib/changes";
import { plain } from "./plain";

/** A change in a few marks: what is wrong with it, what proves it, how large it is. */
export function ChangeMarks({ change }: { change: Change }) {
  const { files, added, removed } = sizeOf(change);
  const others = change.state === "open" ? collisions(change).length : 0;
  const receipt = receiptLevel(change);
  return (
    <ul className="change-marks" aria-label="How it stands">
      {change.state === "open" &&
        problemsOf(change).map((one) => (
          <Mark key={one} tone="bad" icon={<IconAlertTriangle size={14} aria-hidden />}>
            {plain(one)}
          </Mark>
        ))}
      {others > 0 && (
        <Mark tone="bad" icon={<IconGitCompare size={14} aria-hidden />}>
          collides with {others}
        </Mark>
      )}
      <Work change={change} />
      {receipt.tone === "good" && (
        <Mark tone="good" icon={<IconCircleCheck size={14} aria-hidden />}>
          {receipt.level}
        </Mark>
      )}
      {change.approval && (
        <Mark tone="good" icon={<IconUserCheck size={14} aria-hidden />}>
          approved by {plain(change.approval.member_name)}
        </Mark>
      )}
      <Forge change={change} />
      <Mark>
        {files} {files === 1 ? "file" : "files"} <span data-tone="good">+{added}</span>{" "}
        <span data-tone="bad">−{removed}</span>
      </Mark>
    </ul>
  );
}

function Work({ change }: { change: Change }) {
  const deed = underWay(change);
  const clock = <IconClock size={14} aria-hidden />;
  return (
    <>
      {deed && <Mark icon={clock}>{deed} under way</Mark>}
      {respondingTask(change) && <Mark icon={clock}>an agent is at it</Mark>}
    </>
  );
}

function Forge({ change: { forge_status: forge } }: { change: Change }) {
  if (!forge) return null;
  const good = <IconCircleCheck size={14} aria-hidden />;
  return (
    <>
      {forge.checks === "passing" && (
        <Mark tone="good" icon={good}>
          checks pass
        </Mark>
      )}
      {forge.checks === "pending" && <Mark icon={<IconClock size={14} aria-hidden />}>checks run</Mark>}
      {forge.approved && (
        <Mark tone="good" icon={good}>
          approved on the forge
        </Mark>
      )}
    </>
  );
}

function Mark({ tone, icon, children }: { tone?: "good" | "bad"; icon?: ReactNode; children: ReactNode }) {
  return (
    <li className="chip" data-tone={tone}>
      {icon}
      <span>{children}</span>
    </li>
  );
}
