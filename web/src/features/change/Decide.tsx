import { Button } from "@mantine/core";
import { IconCheck, IconGitMerge, IconMessage } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Change, once, taken } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { collisions, problemsOf, respondingTask, underWay } from "../../lib/changes";
import { useKeys } from "../../lib/keys";
import { toast } from "../../lib/toasts";
import { RequestChanges } from "./RequestChanges";
import { type Remark, useRemarks } from "./remarks";

type Deed = "approve" | "merge" | "close";

function ask(change: Change, deed: Deed): Promise<unknown> {
  // An approval is of a commit, and may be sent later; what merges or closes is asked for at once or not at all.
  const later = deed === "approve" ? `Approve #${change.task_number}: ${change.title}` : undefined;
  const params = { path: { change_id: change.id }, header: once(later) } as const;
  switch (deed) {
    case "approve":
      return taken(
        api.POST("/api/v1/changes/{change_id}/approve", { params, body: { commit: change.commit } }),
      );
    case "merge":
      return taken(api.POST("/api/v1/changes/{change_id}/merge", { params }));
    case "close":
      return taken(api.POST("/api/v1/changes/{change_id}/close", { params }));
  }
}

/** What can be done about an open change; `unseen` is how many of its files nobody looked at here. */
export function Decide({ change, unseen }: { change: Change; unseen: number }) {
  const [opened, open] = useState<"merge" | "close" | "request" | null>(null);
  const remarks = useRemarks(change.id);
  const doing = useMutation({
    mutationFn: (deed: Deed) => ask(change, deed),
    onSuccess: (_, deed) => deed === "approve" && toast("Approved."),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["changes"] }),
  });
  const busy = doing.isPending || underWay(change) !== null;
  const responding = respondingTask(change) !== undefined;
  const start = (what: typeof opened) => () => {
    if (!busy) open(what);
  };
  const approve = () => {
    if (!busy && !change.approval) doing.mutate("approve");
  };
  useKeys("Decide", [
    { keys: "a", does: "Approve", run: approve },
    { keys: "r", does: "Request changes", run: start("request") },
    { keys: "m", does: "Merge", run: start("merge") },
  ]);
  const close = () => open(null);
  return (
    <>
      <div className="row decide">
        <Button variant="subtle" color="red" disabled={busy} onClick={start("close")}>
          Close
        </Button>
        <Button
          variant="default"
          leftSection={<IconMessage size={17} />}
          disabled={busy || responding}
          onClick={start("request")}
        >
          Request changes{remarks.length > 0 && ` (${remarks.length})`}
        </Button>
        <Button
          variant="default"
          leftSection={<IconCheck size={17} />}
          disabled={busy || Boolean(change.approval)}
          onClick={approve}
        >
          {change.approval ? "Approved" : "Approve"}
        </Button>
        <Button
          className="merge"
          leftSection={<IconGitMerge size={17} />}
          disabled={busy || change.undecided}
          onClick={start("merge")}
        >
          Merge
        </Button>
      </div>
      <Notice error={doing.error} />
      {opened === "merge" && (
        <Merge
          change={change}
          doubts={doubtsAbout(change, remarks, unseen)}
          close={close}
          merge={() => doing.mutate("merge")}
        />
      )}
      {opened === "close" && (
        <Confirm
          title="Close this change?"
          text="Its branch is deleted, and its work is not merged."
          yes="Close the change"
          close={close}
          confirm={() => doing.mutate("close")}
        />
      )}
      {opened === "request" && <RequestChanges change={change} close={close} />}
    </>
  );
}

function doubtsAbout(change: Change, remarks: Remark[], unseen: number): string[] {
  const others = collisions(change).length;
  return [
    ...problemsOf(change),
    ...(respondingTask(change) ? ["an agent is at it"] : []),
    ...(others > 0
      ? [`${others} other ${others === 1 ? "change has" : "changes have"} conflicts after it`]
      : []),
    ...(remarks.length > 0 ? [`${remarks.length} of your remarks are not sent`] : []),
    ...(unseen > 0 ? [`${unseen} ${unseen === 1 ? "file" : "files"} not marked as viewed`] : []),
  ];
}

type MergeProps = { change: Change; doubts: string[]; close: () => void; merge: () => void };

function Merge({ change, doubts, close, merge }: MergeProps) {
  return (
    <Dialog close={close} title={`Merge into ${plain(change.base_branch)}?`} fullScreen={false} centered>
      <div className="stack">
        {doubts.length > 0 && (
          <ul className="doubts" aria-label="Before you merge">
            {doubts.map((one) => (
              <li key={one}>{plain(one)}</li>
            ))}
          </ul>
        )}
        <p className="quiet">A worker merges it where the code is, under the rules of the forge.</p>
        <div className="row">
          <Button
            className="merge"
            data-autofocus
            onClick={() => {
              close();
              merge();
            }}
          >
            Merge it
          </Button>
          <Button variant="default" onClick={close}>
            Not yet
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
