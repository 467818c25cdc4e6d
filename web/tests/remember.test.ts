import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Session } from "../src/api/client";

const reload = vi.fn();
const session = (member_id: string) => ({ member_id, tenant_id: "t" }) as Session;

beforeEach(() => {
  vi.resetModules();
  reload.mockClear();
  const getItem = function (this: Record<string, string>, key: string) {
    return this[key] ?? null;
  };
  const hidden = {
    getItem,
    setItem(this: Record<string, string>, key: string, value: string) {
      this[key] = value;
    },
    removeItem(this: Record<string, string>, key: string) {
      delete this[key];
    },
  };
  vi.stubGlobal("localStorage", Object.create(hidden));
  vi.stubGlobal("location", { origin: "http://127.0.0.1:9", reload });
});

afterEach(() => vi.unstubAllGlobals());

async function browser() {
  const { putRemark } = await import("../src/features/change/remarks");
  putRemark("chg_1", { path: "a.py", side: "after", line: 1, quote: "secret", text: "Why?" });
  return import("../src/api/remember");
}

test("the next person gets a new page, and nothing of what the one before has written", async () => {
  const { recall, forget } = await browser();
  await recall(session("ann"));
  await forget();
  await recall(session("ann"));
  expect(reload).not.toHaveBeenCalled();
  expect(JSON.stringify(localStorage)).toContain("secret");
  await forget();
  await recall(session("bob"));
  expect(reload).toHaveBeenCalledOnce();
  expect(JSON.stringify(localStorage)).not.toContain("secret");
});

test("who logs in after a reload gets nothing of the one before, either", async () => {
  await (await browser()).recall(session("ann"));
  vi.resetModules();
  const { recall } = await import("../src/api/remember");
  await recall(session("bob"));
  expect(JSON.stringify(localStorage)).not.toContain("secret");
});

test("the logout removes it", async () => {
  const { recall } = await browser();
  await recall(session("ann"));
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("window", {});
  vi.stubGlobal("fetch", async () => new Response(null, { status: 204 }));
  await (await import("../src/api/session")).leave();
  expect(JSON.stringify(localStorage)).not.toContain("secret");
});
