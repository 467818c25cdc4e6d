import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { cut, lineCount, MOST_LINES } from "../src/components/diff/bounds";
import { parseDiff } from "../src/components/diff/parse";
import { Difference, Edited } from "../src/features/task/Difference";

const lines = (count: number) => "+x\n".repeat(count);
const file = (name: string, count: number) =>
  `diff --git a/${name} b/${name}\n@@ -1 +1,${count} @@\n${lines(count)}`;
const rows = (html: string) => html.split("diff-row").length - 1;
const shown = (text: string) => renderToStaticMarkup(createElement(Difference, { text }));

test("of a difference that is folded nothing is on the page", () => {
  expect(rows(shown(file("small", 20)))).toBe(20);
  expect(rows(shown(file("large", 9_000)))).toBe(0);
  const edit = { path: "large", before: "", after: lines(9_000) };
  expect(rows(renderToStaticMarkup(createElement(Edited, edit)))).toBe(0);
});

test("a page holds only so much of many files, and of a long text, and says so", () => {
  const many = shown(Array.from({ length: 400 }, (_, place) => file(`${place}`, 100)).join(""));
  expect(rows(many)).toBe(2_000);
  expect(many.split("<details").length - 1).toBe(300);
  for (const html of [many, shown(file("endless", 300_000))]) expect(html).toContain("There is more of it");
  const [long] = parseDiff(file("long", 9_000));
  expect(long && lineCount(cut(long))).toBe(MOST_LINES);
});
