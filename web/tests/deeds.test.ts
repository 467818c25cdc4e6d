import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Board } from "../src/api/board";
import type { Task } from "../src/api/client";

const asked: string[] = [];
let answer: (method: string) => Response | undefined;

beforeEach(() => {
  asked.length = 0;
  vi.resetModules();
  vi.stubGlobal("location", { origin: "http://127.0.0.1:9" });
  vi.stubGlobal("fetch", async ({ method }: Request) => {
    asked.push(method);
    const given = answer(method);
    if (!given) throw new TypeError("no connection");
    return given;
  });
});

afterEach(() => vi.unstubAllGlobals());

const task = (state: string) => ({ id: "task_1", number: 1, title: "Mend", project_id: "p", state }) as Task;

async function shown() {
  const { queryClient } = await import("../src/api/queries");
  return queryClient.getQueryData<Board>(["board", ""])?.tasks.get("task_1")?.state;
}

async function deeds() {
  const { queryClient } = await import("../src/api/queries");
  const tasks = new Map([["task_1", task("failed")]]);
  queryClient.setQueryData(["board", ""], { tasks, executions: new Map() });
  const outbox = await import("../src/api/outbox");
  await outbox.openOutbox("mem_ann");
  return { ...(await import("../src/api/tasks")), ...outbox };
}

test("a refused deed shows the task as it is now, not as it was", async () => {
  const { retry } = await deeds();
  answer = (method) =>
    method === "GET" ? Response.json(task("running")) : Response.json({ detail: "No." }, { status: 409 });
  expect(await retry(task("failed"))).toBe(false);
  expect(await shown()).toBe("running");
});

test("without a connection a deed is not kept for later, and is taken back", async () => {
  const { retry, outbox } = await deeds();
  answer = () => undefined;
  expect(await retry(task("failed"))).toBe(false);
  expect(outbox.get()).toEqual([]);
  expect(asked[0]).toBe("POST");
  expect(await shown()).toBe("failed");
});
