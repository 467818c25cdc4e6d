import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { plain } from "../plain";

export type Line = {
  kind: "add" | "remove" | "same" | "note";
  /** Line numbers; null: the line is not there on that side. */
  before: number | null;
  after: number | null;
  /** Safe to be shown. */
  text: string;
};
export type Hunk = { head: string; lines: Line[] };
export type FileDiff = {
  path: string;
  /** What it was called before, where it was renamed. */
  from: string | null;
  what: "added" | "deleted" | "renamed" | "modified";
  binary: boolean;
  /** Such as "new mode 100755". */
  notes: string[];
  hunks: Hunk[];
  added: number;
  removed: number;
  /** Of all of the file's lines, by which to know whether it is still the same. */
  digest: string;
};

/** Of one line; a longer one is cut. */
const MOST_LETTERS = 2_000;

/** A unified diff, as git writes it, by files. Whatever it does not know is shown as a note. */
export function parseDiff(diff: string): FileDiff[] {
  const files: FileDiff[] = [];
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  let first = 0;
  for (let place = 1; place <= lines.length; place++) {
    if (place < lines.length && !lines[place]?.startsWith("diff --git ")) continue;
    files.push(parseFile(lines.slice(first, place)));
    first = place;
  }
  return lines.length > 0 ? files : [];
}

function parseFile(lines: string[]): FileDiff {
  const begin = lines.findIndex((line) => line.startsWith("@@ "));
  const head = begin < 0 ? lines : lines.slice(0, begin);
  const file: FileDiff = {
    path: nameInTitle(head[0] ?? ""),
    from: null,
    what: "modified",
    binary: false,
    notes: [],
    hunks: [],
    added: 0,
    removed: 0,
    digest: digestOf(lines, begin >= 0),
  };
  for (const line of head) readHead(file, line);
  if (begin >= 0) readHunks(file, lines.slice(begin));
  return file;
}

function readHead(file: FileDiff, line: string) {
  const [, word, rest = ""] =
    /^(rename from|rename to|---|\+\+\+|new file|deleted file|old mode|new mode|Binary files) (.*)$/.exec(
      line,
    ) ?? [];
  if (word === "rename from") file.from = unquoted(rest);
  else if (word === "rename to") {
    file.path = unquoted(rest);
    file.what = "renamed";
  } else if (word === "---" && rest !== "/dev/null") file.path = unquoted(rest).replace(/^a\//, "");
  else if (word === "+++" && rest !== "/dev/null") file.path = unquoted(rest).replace(/^b\//, "");
  else if (word === "new file") file.what = "added";
  else if (word === "deleted file") file.what = "deleted";
  else if (word === "Binary files") file.binary = true;
  else if (word?.endsWith(" mode")) file.notes.push(shown(line));
}

function readHunks(file: FileDiff, lines: string[]) {
  let [before, after] = [0, 0];
  for (const text of lines) {
    const at = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(text);
    if (at) {
      [before, after] = [Number(at[1]), Number(at[2])];
      file.hunks.push({ head: shown(text), lines: [] });
      continue;
    }
    const its = file.hunks.at(-1)?.lines;
    const line = shown(text.slice(1));
    if (text.startsWith("+")) {
      file.added += 1;
      its?.push({ kind: "add", before: null, after: after++, text: line });
    } else if (text.startsWith("-")) {
      file.removed += 1;
      its?.push({ kind: "remove", before: before++, after: null, text: line });
    } else if (text.startsWith(" ") || text === "")
      its?.push({ kind: "same", before: before++, after: after++, text: line });
    else its?.push({ kind: "note", before: null, after: null, text: shown(text) });
  }
}

export const shown = (text: string) =>
  text.length > MOST_LETTERS
    ? `${plain(text.slice(0, MOST_LETTERS))}… and ${text.length - MOST_LETTERS} letters`
    : plain(text);

/** Of `diff --git a/NAME b/NAME`, where both are the same; other lines name them, too, where they are not. */
function nameInTitle(title: string): string {
  const both = title.replace(/^diff --git /, "");
  const quoted = /^"a\/(?:[^"\\]|\\.)*" ("b\/.*")$/.exec(both);
  if (quoted) return unquoted(quoted[1] ?? "").slice(2);
  const half = both.slice(2, (both.length - 1) / 2);
  return both === `a/${half} b/${half}` ? half : both;
}

const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Git writes a name with unusual bytes in quotes, and ends one with spaces by a tab. */
function unquoted(name: string): string {
  if (!name.startsWith('"')) return name.replace(/\t$/, "");
  const bytes: number[] = [];
  for (const [, octal, letter, text] of name.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gu)) {
    if (octal) bytes.push(Number.parseInt(octal, 8) & 255);
    else if (letter) bytes.push(ESCAPES[letter] ?? letter.charCodeAt(0));
    else bytes.push(...new TextEncoder().encode(text));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** SHA-256 of the lines: who wrote them may want another file to be taken for this one. */
function digestOf(lines: string[], inWords: boolean): string {
  // What blobs are called is told by what is in them, unless that is not shown, or not as it is.
  const told = inWords && !lines.some((line) => line.includes("\ufffd"));
  const text = lines.filter((line) => !told || !line.startsWith("index ")).join("\n");
  return bytesToHex(sha256(utf8ToBytes(text)));
}
