import { expect, test, vi } from "vitest";
import { addressOf, eventsBut, KINDS, type Kind, toldBy } from "../src/api/told";

const NEWS = {
  cursor: 7,
  at: "2026-01-01T00:00:00Z",
  task_id: null,
  project_id: "proj_1",
  execution_id: null,
};
const heard = (kind: string, payload: Record<string, unknown> = {}, task_id: string | null = null) =>
  toldBy({ ...NEWS, kind, payload, task_id });

test.each([
  ["execution.waiting_input", { question: "May I?" }, "task_1", "May I?", "/tasks/task_1"],
  ["change.needs-person", { change_id: "chg_1", attention: "Look" }, "task_1", "Look", "/changes/chg_1"],
  ["change.open", { change_id: "chg_1", branch: "b" }, "task_1", "b", "/changes/chg_1"],
  ["comparison.ready", { comparison_id: "cmp_1" }, null, "candidates to choose from", "/comparisons/cmp_1"],
  ["task.failed", { reason: "verify_failed" }, "task_1", "verify failed", "/tasks/task_1"],
  ["automation.halted", { message: "Three failed." }, null, "Three failed.", "/automation/proj_1"],
  ["worker.offline", { name: "build-07" }, null, "build-07", "/workers"],
  ["budget.spent", { question: 7, name: {} }, null, "spent", "/costs"],
])("people are told of %s and led to where it is", (kind, payload, task, text, address) => {
  const one = heard(kind, payload, task);
  expect([one?.text, one && addressOf(one)]).toEqual([text, address]);
});

test("people are told of nothing else", () => {
  for (const kind of ["task.queued", "execution.usage", ""]) expect(heard(kind)).toBeNull();
});

test("a kind that is not wanted is neither sent to devices, nor shown, nor counted", async () => {
  vi.stubGlobal("location", { origin: "http://127.0.0.1:9" });
  const { wanted } = await import("../src/features/notifications/store");
  vi.unstubAllGlobals();
  expect(eventsBut(KINDS.map(({ kind }) => kind))).toEqual([]);
  expect(eventsBut(["needs-you", "review", "failed", "automation", "worker"])).toEqual([
    "budget.near",
    "budget.spent",
  ]);
  const told = (id: number, kind: Kind) => ({ ...heard("budget.near"), id, kind }) as never;
  const all = [told(9, "worker"), told(8, "review"), told(3, "failed")];
  expect(wanted(all, ["worker"], 3)).toEqual({ shown: all.slice(1), fresh: 1 });
  expect(wanted(all, [], 9).fresh).toBe(0);
});
