import { SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Change } from "../../api/client";
import { useProject } from "../../api/projects";
import { changeQuery, diffQuery } from "../../api/queries";
import { ChangeMarks } from "../../components/ChangeMarks";
import { parseDiff } from "../../components/diff/parse";
import { Unread } from "../../components/Fallbacks";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { ago, dollars, useNow } from "../../lib/format";
import { useKeys } from "../../lib/keys";
import { useStore } from "../../lib/stores";
import { useTitle } from "../../lib/title";
import { Alerts, forgeLink } from "./Alerts";
import { Decide } from "./Decide";
import type { Looked } from "./doubts";
import { Facts } from "./Facts";
import { FileView } from "./Files";
import { FileTree } from "./FileTree";
import { currentFile, goTo, goToNext } from "./places";
import { type Remark, useRemarks } from "./remarks";
import { inColumns, useViewed } from "./viewed";
import "./change.css";

const route = getRouteApi("/changes/$changeId");
const NONE: Remark[] = [];

export function ChangePage() {
  const { changeId } = route.useParams();
  const change = useQuery(changeQuery(changeId));
  useTitle(change.data?.title ?? "Change");
  if (!change.data) return <Unread key={changeId} what="Change" error={change.error} />;
  return <Whole key={changeId} change={change.data} />;
}

function Whole({ change }: { change: Change }) {
  const diff = useQuery({ ...diffQuery(change.id, change.commit), enabled: change.has_diff });
  const files = useMemo(
    () => parseDiff(diff.data?.text ?? "").map((file, place) => ({ file, id: `file-${place}` })),
    [diff.data?.text],
  );
  const { has, mark } = useViewed(change.id);
  const split = useSplit();
  const remarks = useRemarksByFile(change.id);
  const seen = files.filter(({ file }) => has(file)).length;
  const cut = diff.data?.truncated ?? false;
  useKeys("Files", [
    { keys: "n", does: "Next file", run: () => goToNext(1) },
    { keys: "p", does: "Previous file", run: () => goToNext(-1) },
    {
      keys: "v",
      does: "Mark the file as viewed",
      run: () => currentFile()?.querySelector<HTMLElement>(".viewed input")?.click(),
    },
    { keys: "s", does: "One column or two", run: () => inColumns.set(!inColumns.get()) },
  ]);
  return (
    <div className="stack change-page">
      <Head change={change} looked={{ read: diff.isSuccess, cut, unseen: files.length - seen }} />
      <Alerts change={change} />
      <Facts change={change} />
      <div className="files-head">
        <h2>Files</h2>
        {files.length > 0 && (
          <span className="quiet">
            {seen} of {files.length} viewed
          </span>
        )}
        <SegmentedControl
          size="xs"
          className="columns-choice"
          aria-label="Columns"
          value={split ? "split" : "unified"}
          onChange={(value) => inColumns.set(value === "split")}
          data={["unified", "split"]}
        />
      </div>
      <Notice error={diff.error} />
      {!change.has_diff && (
        <p className="empty">The project keeps its diffs where the code is. Read this one on its branch.</p>
      )}
      <div className="files-columns">
        {files.length > 1 && <FileTree files={files} seen={has} go={goTo} />}
        <div className="stack files">
          {files.map(({ file, id }) => (
            <FileView
              key={`${file.path} ${file.digest}`}
              changeId={change.id}
              file={file}
              id={id}
              split={split}
              seen={has(file)}
              mark={mark}
              remarks={change.state === "open" ? (remarks.get(file.path) ?? NONE) : null}
            />
          ))}
          {cut && <p className="empty">The diff is very long and cut here; read the rest on the branch.</p>}
        </div>
      </div>
    </div>
  );
}

function useSplit(): boolean {
  const wide = useMediaQuery("(min-width: 860px)", true, { getInitialValueInEffect: false });
  return useStore(inColumns) && Boolean(wide);
}

function useRemarksByFile(changeId: string): Map<string, Remark[]> {
  const remarks = useRemarks(changeId);
  return useMemo(() => {
    const byFile = new Map<string, Remark[]>();
    for (const one of remarks) byFile.set(one.path, [...(byFile.get(one.path) ?? []), one]);
    return byFile;
  }, [remarks]);
}

function Head({ change, looked }: { change: Change; looked: Looked }) {
  const project = useProject(change.project_id);
  const now = useNow(30);
  return (
    <div className="change-top">
      <div className="heading">
        <h1>{plain(change.title)}</h1>
        <StateMark state={change.state} />
      </div>
      <p className="change-line quiet">
        <Link to="/tasks/$taskId" params={{ taskId: change.task_id }}>
          {plain(project?.name ?? "task")}#{change.task_number}
        </Link>
        {change.repository && <span>in {plain(change.repository)}</span>}
        <span>
          <code>{plain(change.branch)}</code> → <code>{plain(change.base_branch)}</code>
        </span>
        <span>{ago(change.updated_at, now)}</span>
        {change.cost_micros > 0 && <span>{dollars(change.cost_micros)}</span>}
        {change.url && forgeLink(change.url, "on its forge")}
      </p>
      <ChangeMarks change={change} />
      {change.state === "open" && <Decide change={change} looked={looked} />}
    </div>
  );
}
