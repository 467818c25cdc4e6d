import { diffWordsWithSpace } from "diff";
import type { Line } from "./parse";

/** A part of a line; `changed` is what the line beside it has not. */
export type Part = { text: string; changed: boolean };

const MOST_LETTERS = 1_000;
const MOST_EDITS = 60;

/** Of a removed line and the added one in its place: what differs. Null: too much of it. */
export function partsOf(removed: string, added: string): [Part[], Part[]] | null {
  if (removed.length > MOST_LETTERS || added.length > MOST_LETTERS) return null;
  const found = diffWordsWithSpace(removed, added, { maxEditLength: MOST_EDITS });
  if (!found) return null;
  const same = found.reduce((sum, one) => sum + (one.added || one.removed ? 0 : one.value.trim().length), 0);
  // Lines that share next to nothing are two lines.
  if (same * 3 < Math.min(removed.trim().length, added.trim().length)) return null;
  const side = (mine: "added" | "removed", other: "added" | "removed") =>
    found.filter((one) => !one[other]).map((one) => ({ text: one.value, changed: Boolean(one[mine]) }));
  return [side("removed", "added"), side("added", "removed")];
}

/** One row of a diff in two columns; null: the line is not there on that side. */
export type Pair = { left: Line | null; right: Line | null };

/** Removed lines beside the added ones that follow them. */
export function pairs(lines: Line[]): Pair[] {
  const rows: Pair[] = [];
  let [removed, added]: [Line[], Line[]] = [[], []];
  const flush = () => {
    for (let place = 0; place < Math.max(removed.length, added.length); place++)
      rows.push({ left: removed[place] ?? null, right: added[place] ?? null });
    [removed, added] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === "remove") {
      if (added.length > 0) flush();
      removed.push(line);
    } else if (line.kind === "add") added.push(line);
    else {
      flush();
      rows.push({ left: line, right: line });
    }
  }
  flush();
  return rows;
}
