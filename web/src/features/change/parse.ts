export type Row = {
  kind: "add" | "remove" | "same" | "note";
  before: number | null;
  after: number | null;
  text: string;
};
export type FileDiff = { key: string; path: string; rows: Row[]; added: number; removed: number };

/** A unified diff, as git writes it, by files. Whatever it does not know is shown as a note. */
export function parseDiff(diff: string): FileDiff[] {
  const files: FileDiff[] = [];
  let before = 0;
  let after = 0;
  let inHunk = false;
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    let file = files.at(-1);
    if (line.startsWith("diff --git ") || !file) {
      file = {
        key: String(files.length),
        path: line.replace(/^diff --git .* b\//, ""),
        rows: [],
        added: 0,
        removed: 0,
      };
      files.push(file);
      inHunk = false;
      continue;
    }
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      before = Number(hunk[1]);
      after = Number(hunk[2]);
      inHunk = true;
      file.rows.push({ kind: "note", before: null, after: null, text: line });
    } else if (!inHunk) {
      if (line.startsWith("+++ b/")) file.path = line.slice(6);
      else if (!/^(index|---|\+\+\+) /.test(line))
        file.rows.push({ kind: "note", before: null, after: null, text: line });
    } else if (line.startsWith("+")) {
      file.rows.push({ kind: "add", before: null, after: after++, text: line });
      file.added += 1;
    } else if (line.startsWith("-")) {
      file.rows.push({ kind: "remove", before: before++, after: null, text: line });
      file.removed += 1;
    } else if (line.startsWith("\\")) file.rows.push({ kind: "note", before: null, after: null, text: line });
    else file.rows.push({ kind: "same", before: before++, after: after++, text: line });
  }
  return files;
}
