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
import { respondingTask, underWay } from "../../lib/changes";
import { useKeys } from "../../lib/keys";
import { toast } from "../../lib/toasts";
import { doubtsAbout, type Looked } from "./doubts";
import { RequestChanges } from "./RequestChanges";
import { useRemarks } from "./remarks";

type Deed = "approve" | "merge" | "close";

/** `commit` is the one that was looked at. */
function ask(change: Change, deed: Deed, commit: string): Promise<unknown> {
  // An approval is of a commit, and may be sent later; what merges or closes is asked for at once or not at all.
  const later = deed === "approve" ? `Approve #${change.task_number}: ${change.title}` : undefined;
  const params = { path: { change_id: change.id }, header: once(later) } as const;
  switch (deed) {
    case "approve":
      return taken(api.POST("/api/v1/changes/{change_id}/approve", { params, body: { commit } }));
    case "merge":
      return taken(api.POST("/api/v1/changes/{change_id}/merge", { params, body: { commit } }));
    case "close":
      return taken(api.POST("/api/v1/changes/{change_id}/close", { params }));
  }
}

/** What can be done about an open change. */
export function Decide({ change, looked }: { change: Change; looked: Looked }) {
  const [opened, open] = useState<"merge" | "close" | "request" | null>(null);
  const remarks = useRemarks(change.id);
  const doing = useMutation({
    mutationFn: ({ deed, commit }: { deed: Deed; commit: string }) => ask(change, deed, commit),
    onSuccess: (_, { deed }) => deed === "approve" && toast("Approved."),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["changes"] }),
  });
  const busy = doing.isPending || underWay(change) !== null;
  const responding = respondingTask(change) !== undefined;
  const start = (what: typeof opened) => () => {
    if (!busy) open(what);
  };
  const approvable = !busy && !change.approval && (looked.read || !change.has_diff);
  const decide = (deed: Deed, commit = change.commit) => doing.mutate({ deed, commit });
  const approve = () => {
    if (approvable) decide("approve");
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
          disabled={!approvable}
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
          doubts={doubtsAbout(change, remarks.length, looked)}
          close={close}
          merge={(commit) => decide("merge", commit)}
        />
      )}
      {opened === "close" && (
        <Confirm
          title="Close this change?"
          text="Its branch is deleted, and its work is not merged."
          yes="Close the change"
          close={close}
          confirm={() => decide("close")}
        />
      )}
      {opened === "request" && <RequestChanges change={change} close={close} />}
    </>
  );
}

type MergeProps = { change: Change; doubts: string[]; close: () => void; merge: (commit: string) => void };

function Merge({ change, doubts, close, merge }: MergeProps) {
  // What arrives while this is open was not decided about.
  const [commit] = useState(change.commit);
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
              merge(commit);
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
