import { expect, test, vi } from "vitest";
import { Conversation, readEntry, type Source, turnsOf } from "../src/features/task/conversation";

const encoder = new TextEncoder();
const line = (text: string, more: object = {}) =>
  `${JSON.stringify({ kind: "message", at: 1, text, ...more })}\n`;

type Following = Parameters<Source["follow"]>[0];

async function opened(log: string) {
  const data = encoder.encode(log);
  let follower: Following | undefined;
  const source: Source = {
    size: async () => data.length,
    read: async (offset, limit) => data.slice(offset, offset + limit),
    follow: (wanted) => {
      follower = wanted;
      return () => {};
    },
  };
  const said = new Conversation("exec_1", source, () => {});
  await said.open();
  const start = follower?.offset ?? 0;
  follower?.bytes(data.slice(start), start);
  return { said, data, follower };
}

test("the end is read first, and what comes before it on demand, each once", async () => {
  const log = Array.from({ length: 300 }, (_, place) => line(`${place} ${"x".repeat(2_000)}`)).join("");
  const { said } = await opened(log);
  expect(said.entries.length).toBeLessThan(300);
  while (said.more) await said.earlier();
  expect(said.entries.map((one) => Number.parseInt(one.text, 10))).toEqual(
    Array.from({ length: 300 }, (_, n) => n),
  );
});

test("an entry that is longer than what is read at once stops nobody", async () => {
  const { said } = await opened(line("first") + line("y".repeat(900_000)) + line("last"));
  while (said.more) await said.earlier();
  const texts = said.entries.map((one) => one.text.slice(0, 5));
  expect([texts[0], texts.at(-1)]).toEqual(["first", "last"]);
});

test("what comes twice after a break counts once", async () => {
  const { said, data, follower } = await opened(line("one"));
  follower?.bytes(encoder.encode(line("one") + line("two")), 0);
  follower?.bytes(encoder.encode(line("three").slice(0, 7)), data.length * 2);
  follower?.bytes(encoder.encode(line("three").slice(7)), data.length * 2 + 7);
  expect(said.entries.map((one) => one.text)).toEqual(["one", "two", "three"]);
});

test("a first read that failed is tried again, unless it was refused or nobody looks any more", async () => {
  vi.useFakeTimers();
  let status = 0;
  let reads = 0;
  let follows = 0;
  const size = async () => {
    reads += 1;
    if (reads === 2) return 0;
    throw Object.assign(new Error("away"), { status });
  };
  const follow = () => {
    follows += 1;
    return () => {};
  };
  const source: Source = { size, read: async () => new Uint8Array(), follow };
  const made = () => new Conversation("exec_1", source, () => {});
  const said = made();
  await said.open();
  expect([said.ready, said.error?.message]).toEqual([false, "away"]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([said.ready, said.error, follows]).toEqual([true, null, 1]);
  status = 502;
  const left = made();
  await left.open();
  left.close();
  status = 404;
  const refused = made();
  await refused.open();
  await vi.advanceTimersByTimeAsync(9_000);
  vi.useRealTimers();
  expect([reads, refused.ready, refused.error?.message]).toEqual([4, true, "away"]);
});

test.each([
  "",
  "[1]",
  "null",
  '"text"',
  "{",
  '{"kind": 3, "data": [], "whole": "x", "at": "soon", "text": {}}',
])("whatever a program prints is read: %s", (printed) => {
  expect(readEntry(printed, 0)).toMatchObject({ kind: "note", at: 0, data: {}, whole: undefined });
});

test("a result and a difference stand with their call, and what has none by itself", () => {
  const entries = [
    { kind: "tool-call", call_id: "a", tool: "Edit" },
    { kind: "message", text: "meanwhile" },
    { kind: "diff", call_id: "a", text: "+one" },
    { kind: "tool-result", call_id: "a", text: "done" },
    { kind: "tool-result", call_id: "a", text: "again" },
    { kind: "tool-result", call_id: "b", text: "of none" },
  ].map((one, place) => readEntry(JSON.stringify(one), place));
  const turns = turnsOf(entries);
  expect(turns.map((turn) => [turn.entry.kind, turn.diffs.length, turn.result?.text])).toEqual([
    ["tool-call", 1, "done"],
    ["message", 0, undefined],
    ["tool-result", 0, undefined],
    ["tool-result", 0, undefined],
  ]);
});
