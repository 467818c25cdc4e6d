import { useMemo } from "react";
import { cut, lineCount, MOST_LETTERS, MOST_LINES } from "../../components/diff/bounds";
import { FileLines } from "../../components/diff/FileLines";
import { type FileDiff, type Line, parseDiff, shown } from "../../components/diff/parse";
import { plain } from "../../components/plain";
import { Unfold } from "../../components/Unfold";

/** A file with more of them is folded, and so are the ones after so many lines of others. */
const MOST_OPEN = 400;
const MOST_OPEN_TOGETHER = 2_000;
const MOST_FILES = 300;

/** A unified diff, file by file. */
export function Difference({ text }: { text: string }) {
  const files = useMemo(() => parseDiff(text.slice(0, MOST_LETTERS)), [text]);
  let lines = 0;
  return (
    <>
      {files.slice(0, MOST_FILES).map((file, place) => {
        lines += lineCount(file);
        return <OneFile key={place} file={file} open={lines <= MOST_OPEN_TOGETHER} />;
      })}
      {(text.length > MOST_LETTERS || files.length > MOST_FILES) && (
        <p className="quiet">There is more of it than is shown here.</p>
      )}
    </>
  );
}

type Edit = { path: string; before: string; after: string };

/** What an edit takes away and puts there; nobody said at which line. */
export function Edited({ path, before, after }: Edit) {
  const file = useMemo(() => fileOf({ path, before, after }), [path, before, after]);
  return <OneFile file={file} />;
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
          .slice(0, MOST_LETTERS)
          .replace(/\n$/, "")
          .split("\n")
          .map((line) => ({ kind, before: null, after: null, text: shown(line) }));
  const [removed, added] = [lines("remove", before), lines("add", after)];
  return {
    path,
    from: null,
    what: "modified",
    binary: false,
    notes: [],
    hunks: [{ head: "", lines: [...removed, ...added] }],
    added: added.length,
    removed: removed.length,
    digest: "",
  };
}

function OneFile({ file, open = true }: { file: FileDiff; open?: boolean }) {
  const lines = lineCount(file);
  const name = (
    <>
      <code>{plain(file.path)}</code>{" "}
      <span className="quiet">
        +{file.added} −{file.removed}
      </span>
    </>
  );
  return (
    <Unfold className="difference" summary={name} open={open && lines <= MOST_OPEN}>
      <FileLines file={cut(file)} split={false} />
      {lines > MOST_LINES && <p className="quiet">{lines - MOST_LINES} more lines are not shown here.</p>}
    </Unfold>
  );
}
