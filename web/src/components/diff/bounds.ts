import type { FileDiff } from "./parse";

/** Of one file's difference; a page of more stands still. */
export const MOST_LINES = 5_000;
/** Of a text that an agent wrote, before it is read as a difference. */
export const MOST_LETTERS = 400_000;

export const lineCount = (file: FileDiff) => file.hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);

const cuts = new WeakMap<FileDiff, FileDiff>();

/** Of a very long file the first lines, the same object whenever it is asked for. */
export function cut(file: FileDiff): FileDiff {
  const known = cuts.get(file);
  if (known) return known;
  let room = MOST_LINES;
  const hunks = file.hunks.flatMap((hunk) => {
    const lines = hunk.lines.slice(0, Math.max(0, room));
    room -= lines.length;
    return lines.length > 0 ? [{ ...hunk, lines }] : [];
  });
  const short = { ...file, hunks };
  cuts.set(file, short);
  return short;
}
