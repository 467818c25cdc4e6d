import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { api, type Change, taken } from "../../api/client";
import { changeQuery, diffQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { Receipt } from "../../components/Receipt";
import { StateMark } from "../../components/StateMark";
import { Diff } from "./Diff";

const route = getRouteApi("/changes/$changeId");
const ERRANDS: Record<string, string> = {
  requested: "A worker was asked to",
  assigned: "A worker is about to",
  failed: "No worker could",
};

export function ChangePage() {
  const { changeId } = route.useParams();
  const change = useQuery(changeQuery(changeId));
  if (!change.data) return <Notice error={change.error} />;
  const { title, state, branch, base_branch, task_id, body, diffstat, receipt } = change.data;
  const stat = diffstat as { files?: unknown[]; additions?: number; deletions?: number };
  return (
    <div className="stack">
      <div className="heading">
        <h1>{plain(title)}</h1>
        <StateMark state={state} />
        <Actions change={change.data} />
      </div>
      <p className="quiet break">
        {branch} → {base_branch} · {stat.files?.length ?? 0} files, +{stat.additions ?? 0} −
        {stat.deletions ?? 0} ·{" "}
        <Link to="/tasks/$taskId" params={{ taskId: task_id }}>
          its task
        </Link>
      </p>
      <Errand change={change.data} />
      {body && <p className="panel text">{plain(body)}</p>}
      <section className="panel">
        <h2>Receipt</h2>
        <Receipt receipt={receipt} />
      </section>
      {change.data.has_diff ? (
        <WholeDiff change={change.data} />
      ) : (
        <p className="empty">The project keeps its diffs where the code is. Read this one on its branch.</p>
      )}
    </div>
  );
}

function Actions({ change }: { change: Change }) {
  const cache = useQueryClient();
  const ask = useMutation({
    mutationFn: (kind: "merge" | "close") => {
      const params = { path: { change_id: change.id } };
      return taken(
        kind === "merge"
          ? api.POST("/api/v1/changes/{change_id}/merge", { params })
          : api.POST("/api/v1/changes/{change_id}/close", { params }),
      );
    },
    onSettled: () => cache.invalidateQueries({ queryKey: ["changes"] }),
  });
  if (change.state !== "open") return null;
  const busy = ask.isPending || ["requested", "assigned"].includes(change.errand?.state ?? "");
  return (
    <>
      <Button disabled={busy} onClick={() => ask.mutate("merge")}>
        Merge
      </Button>
      <Button variant="default" disabled={busy} onClick={() => ask.mutate("close")}>
        Close
      </Button>
      <Notice error={ask.error} />
    </>
  );
}

function Errand({ change: { errand } }: { change: Change }) {
  const words = errand && ERRANDS[errand.state];
  if (!words) return null;
  return (
    <p role="status">
      {words} {errand.kind} this change. {plain(errand.message)}
    </p>
  );
}

function WholeDiff({ change }: { change: Change }) {
  const diff = useQuery(diffQuery(change.id, change.commit));
  if (!diff.data) return <Notice error={diff.error} />;
  return (
    <>
      {diff.data.truncated && <p>The diff is very long and cut; read the rest on the branch.</p>}
      <Diff text={diff.data.text} />
    </>
  );
}
