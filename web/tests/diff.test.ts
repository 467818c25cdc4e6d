import { expect, test } from "vitest";
import { languageOf } from "../src/components/diff/highlight";
import { parseDiff } from "../src/components/diff/parse";
import { pairs, partsOf } from "../src/components/diff/words";

const diff = (...lines: string[]) => parseDiff(`${lines.join("\n")}\n`);
const head = (name: string) => `diff --git a/${name} b/${name}`;

test("names are read as git writes them", () => {
  const [spaced, quoted, renamed, mode] = diff(
    head("a b/c d.py"),
    "--- a/a b/c d.py\t",
    "+++ b/a b/c d.py\t",
    "@@ -1 +1 @@",
    "-x",
    "+y",
    String.raw`diff --git "a/\303\266\"\t\\.py" "b/\303\266\"\t\\.py"`,
    "Binary files differ",
    "diff --git a/old b/new",
    "similarity index 100%",
    "rename from old",
    "rename to new",
    head("run b/run"),
    "old mode 100644",
    "new mode 100755",
  );
  expect(spaced?.path).toBe("a b/c d.py");
  expect(quoted).toMatchObject({ path: 'ö"\t\\.py', binary: true });
  expect(renamed).toMatchObject({ path: "new", from: "old", what: "renamed", hunks: [] });
  expect(mode).toMatchObject({ path: "run b/run", notes: ["old mode 100644", "new mode 100755"] });
});

test("lines that look like heads are lines", () => {
  const [file, ...others] = diff(
    head("a.sql"),
    "--- a/a.sql",
    "+++ b/a.sql",
    "@@ -7,2 +7,2 @@ create",
    "--- a/b",
    "+++ b/c",
    " diff --git a/x b/x",
    "\\ No newline at end of file",
  );
  expect(others).toEqual([]);
  expect(file).toMatchObject({ path: "a.sql", added: 1, removed: 1 });
  expect(file?.hunks[0]?.lines.map(({ kind, before, after }) => [kind, before, after])).toEqual([
    ["remove", 7, null],
    ["add", null, 7],
    ["same", 8, 8],
    ["note", null, null],
  ]);
});

test("a diff that is cut or none at all is shown as far as it goes", () => {
  expect(diff(head("a"), "--- a/a", "+++ b/a", "@@ -1,9 +1,9 @@", "-x")[0]).toMatchObject({ removed: 1 });
  expect(parseDiff("")).toEqual([]);
  expect(diff("rubbish")).toHaveLength(1);
});

test("a file is another once its lines are, and not once its blobs are called otherwise", () => {
  const digest = (...lines: string[]) => diff(head("a"), ...lines)[0]?.digest;
  expect(digest("index 1..2", "@@ -1 +1 @@", "-x")).toBe(digest("index 1..3", "@@ -1 +1 @@", "-x"));
  expect(digest("@@ -1 +1 @@", "-x")).not.toBe(digest("@@ -1 +1 @@", "-y"));
  expect(digest("@@ -1 +1 @@", "-x")).toMatch(/^[0-9a-f]{64}$/);
  // Where the words don't tell all of the contents, the blob does.
  for (const words of [["Binary files differ"], ["@@ -1 +1 @@", "-\ufffd"]])
    expect(digest("index 1..2", ...words)).not.toBe(digest("index 1..3", ...words));
});

test("a language is one that is named, whatever a file is called", () => {
  expect(["Makefile", "a/x.PY", "constructor", "__proto__"].map(languageOf)).toEqual([
    "makefile",
    "py",
    "",
    "",
  ]);
});

test("what can reorder or hide text is named", () => {
  const [file] = diff(head("a"), "@@ -1 +1 @@", `+\x1b[31m\u202e${"x".repeat(3000)}`);
  expect(file?.hunks[0]?.lines[0]?.text).toMatch(/^⟨U\+202E⟩x+… and \d+ letters$/);
});

test("words that differ are told, where the lines are alike", () => {
  expect(partsOf("return round(x)", "return rounded(x)")?.[1].filter(({ changed }) => changed)).toEqual([
    { text: "rounded", changed: true },
  ]);
  expect(partsOf("one two three", "vier fünf sechs")).toBeNull();
  const lines = diff(head("a"), "@@ -1,3 +1,2 @@", "-a", "-b", "+c", " d")[0]?.hunks[0]?.lines ?? [];
  expect(pairs(lines).map(({ left, right }) => [left?.text, right?.text])).toEqual([
    ["a", "c"],
    ["b", undefined],
    ["d", "d"],
  ]);
});
