import type { Side } from "../../components/diff/FileLines";
import { plain } from "../../components/plain";
import { kept, useStore } from "../../lib/stores";

export type Remark = { path: string; side: Side; line: number; quote: string; text: string };

const MOST_CHANGES = 20;
const NONE: Remark[] = [];

const isRemark = (value: unknown) => {
  const { path, line, quote, text } = (value ?? {}) as Record<keyof Remark, unknown>;
  return [path, quote, text].every((one) => typeof one === "string") && typeof line === "number";
};

/** By change, what somebody at this browser has written at lines and not sent yet. */
const remarks = kept(
  "my.remarks",
  {} as Record<string, Remark[]>,
  (value): value is Record<string, Remark[]> =>
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((its) => Array.isArray(its) && its.every(isRemark)),
);

export const useRemarks = (changeId: string): Remark[] => useStore(remarks)[changeId] ?? NONE;

function put(changeId: string, its: Remark[]) {
  const { [changeId]: _, ...others } = remarks.get();
  const newest = Object.fromEntries(Object.entries(others).slice(1 - MOST_CHANGES));
  remarks.set(its.length > 0 ? { ...newest, [changeId]: its } : newest);
}

export const sameLine = (one: Remark, other: Omit<Remark, "quote" | "text">) =>
  one.path === other.path && one.side === other.side && one.line === other.line;

/** There is one a line; without a text it is gone. */
export function putRemark(changeId: string, remark: Remark) {
  const others = (remarks.get()[changeId] ?? []).filter((one) => !sameLine(one, remark));
  put(changeId, remark.text.trim() ? [...others, remark] : others);
}

export const dropRemarks = (changeId: string) => put(changeId, []);

/** As the agent is told. */
export function reviewText(words: string, its: Remark[]): string {
  const points = its.map(({ path, side, line, quote, text }, place) => {
    const where = `${place + 1}. At ${plain(path)}, ${side === "before" ? "line of the base" : "line"} ${line}:`;
    return `${where}\n\n> ${quote}\n\n${text.trim()}`;
  });
  return [words.trim(), ...points].filter(Boolean).join("\n\n");
}
