import { useMemo } from "react";
import { FileLines } from "../../components/diff/FileLines";
import { type FileDiff, type Line, parseDiff } from "../../components/diff/parse";
import { plain } from "../../components/plain";

/** A file with more of them is folded. */
const MOST_LINES = 400;

/** A unified diff, file by file. */
export function Difference({ text }: { text: string }) {
  const files = useMemo(() => parseDiff(text), [text]);
  return files.map((file) => <OneFile key={file.path} file={file} />);
}

type Edit = { path: string; before: string; after: string };

/** What an edit takes away and puts there; nobody said at which line. */
export function Edited({ path, before, after }: Edit) {
  const file = useMemo(() => fileOf({ path, before, after }), [path, before, after]);
  return (
    <div className="difference">
      <FileLines file={file} split={false} />
    </div>
  );
}

/** Of a tool's arguments; undefined where they are no edit. */
export function editOf(data: Record<string, unknown>): Edit | undefined {
  const text = (...names: string[]) =>
    names.map((name) => data[name]).find((one) => typeof one === "string") as string | undefined;
  const before = text("old_string", "old", "oldText", "old_text");
  const after = text("new_string", "new", "newText", "new_text");
  if (before === undefined || after === undefined) return undefined;
  return { path: text("file_path", "filePath", "path") ?? "", before, after };
}

function fileOf({ path, before, after }: Edit): FileDiff {
  const lines = (kind: Line["kind"], text: string): Line[] =>
    text === ""
      ? []
      : text
          .replace(/\n$/, "")
          .split("\n")
          .map((line) => ({ kind, before: null, after: null, text: plain(line) }));
  const [removed, added] = [lines("remove", before), lines("add", after)];
  return {
    path: plain(path),
    from: null,
    what: "modified",
    binary: false,
    notes: [],
    hunks: [{ head: plain(path), lines: [...removed, ...added] }],
    added: added.length,
    removed: removed.length,
    digest: "",
  };
}

function OneFile({ file }: { file: FileDiff }) {
  const lines = file.hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);
  return (
    <details className="difference" open={lines <= MOST_LINES}>
      <summary>
        <code>{file.path}</code>{" "}
        <span className="quiet">
          +{file.added} −{file.removed}
        </span>
      </summary>
      <FileLines file={file} split={false} />
    </details>
  );
}
