import "fake-indexeddb/auto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { get } from "idb-keyval";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

/** A coordinator in small: what happens by a key happens once, and its answer can be lost on the way. */
type Answer = { status: number; detail?: string } | "no answer" | "answer lost" | "late";
let server: Server;
let url: string;
let answers: Answer[];
let came: string[];
let done: Map<string, string>;
let member: string;
let release: () => void;
let released: Promise<void>;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = await text(request);
    const key = String(request.headers["idempotency-key"] ?? "");
    if (!key) return void response.end(JSON.stringify({ member_id: member }));
    came.push(body);
    const answer = answers.shift() ?? { status: 201 };
    if (answer === "no answer") return void request.socket.destroy();
    if (answer === "late") await released;
    if (answer === "answer lost" || answer === "late" || answer.status < 400) done.set(key, body);
    if (answer === "answer lost") return void request.socket.destroy();
    const { status, detail } = answer === "late" ? { status: 201 } : answer;
    response.statusCode = status;
    response.end(JSON.stringify({ detail }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubGlobal("location", { origin: url });
});

afterAll(() => server.close());

beforeEach(() => {
  answers = [];
  came = [];
  done = new Map();
  member = "mem_ann";
  released = new Promise((resolve) => {
    release = resolve;
  });
});

afterEach(async () => {
  await (await tab()).clearOutbox();
});

async function text(request: IncomingMessage) {
  let whole = "";
  for await (const piece of request) whole += piece;
  return whole;
}

/** The outbox as one more tab of the browser has it. */
async function tab(who = "mem_ann") {
  vi.resetModules();
  const outbox = await import("../src/api/outbox");
  await outbox.openOutbox(who);
  return outbox;
}

type Tab = Awaited<ReturnType<typeof tab>>;

function write({ mayBeKept, fetchOrKeep }: Tab, title: string) {
  const key = `key-${title.slice(0, 20)}`;
  mayBeKept(key, `New task: ${title}`);
  const headers = { "Idempotency-Key": key };
  return fetchOrKeep(new Request(`${url}/api/v1/tasks`, { method: "POST", body: title, headers }));
}

const titles = ({ outbox }: Tab) => outbox.get().map(({ body }) => body);

test("what can't be sent is kept, and sent in order", async () => {
  const mine = await tab();
  answers = ["no answer"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  answers = ["no answer"];
  await expect(write(mine, "two")).rejects.toBeInstanceOf(mine.Kept);
  expect(titles(mine)).toEqual(["one", "two"]);
  const later = await tab();
  await later.drain();
  expect(titles(later)).toEqual([]);
  expect([...done.values()]).toEqual(["one", "two"]);
});

test("a write whose answer was lost is asked for again by the same key", async () => {
  const mine = await tab();
  answers = ["answer lost"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  await mine.drain();
  expect(came).toEqual(["one", "one"]);
  expect([...done]).toEqual([["key-one", "one"]]);
  expect(titles(mine)).toEqual([]);
});

test("a refusal is kept with the coordinator's sentence, and what comes after it is sent", async () => {
  const mine = await tab();
  answers = [{ status: 503 }];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  answers = [{ status: 503 }];
  await expect(write(mine, "two")).rejects.toBeInstanceOf(mine.Kept);
  answers = [{ status: 409, detail: "The task has ended." }];
  await mine.drain();
  expect(mine.outbox.get()).toMatchObject([{ body: "one", refused: "The task has ended." }]);
  expect([...done.values()]).toEqual(["two"]);
  await mine.sendAgain("key-one");
  expect([...done.values()]).toEqual(["two", "one"]);
});

test("what was asked for first happens first", async () => {
  const mine = await tab();
  answers = ["no answer"];
  await expect(write(mine, "pause")).rejects.toBeInstanceOf(mine.Kept);
  expect((await write(mine, "resume")).status).toBe(201);
  expect([...done.values()]).toEqual(["pause", "resume"]);
});

test("what is taken back is never sent", async () => {
  const mine = await tab();
  answers = ["no answer"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  await mine.removeWaiting("key-one");
  await mine.drain();
  expect([...done.values()]).toEqual([]);
});

test("two tabs send one write once", async () => {
  const mine = await tab();
  answers = ["no answer"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  const [one, other] = [await tab(), await tab()];
  await Promise.all([one.drain(), other.drain(), mine.drain()]);
  expect([...done]).toEqual([["key-one", "one"]]);
  expect(titles(await tab())).toEqual([]);
});

test("nobody else sees or sends it", async () => {
  const mine = await tab();
  answers = ["no answer"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  expect(titles(await tab("mem_bob"))).toEqual([]);
  member = "mem_bob";
  await mine.drain();
  expect([...done.values()]).toEqual([]);
  await mine.clearOutbox();
  expect(await get("outbox mem_ann")).toEqual([]);
});

test("what may have been done more than a day ago waits for a person", async () => {
  const mine = await tab();
  answers = ["answer lost"];
  await expect(write(mine, "one")).rejects.toBeInstanceOf(mine.Kept);
  vi.spyOn(Date, "now").mockReturnValue(Date.now() + 21 * 3_600_000);
  await mine.drain();
  vi.restoreAllMocks();
  expect(mine.outbox.get()).toMatchObject([{ body: "one", refused: /may have been done/ }]);
  expect(came).toEqual(["one"]);
});

test("a write that hangs is kept already, and the next one comes after it", async () => {
  const mine = await tab();
  answers = ["late"];
  const one = write(mine, "one");
  await expect.poll(() => came).toEqual(["one"]);
  const two = write(mine, "two");
  await expect.poll(async () => (await get("outbox mem_ann"))?.length).toBe(2);
  expect(titles(mine)).toEqual([]);
  release();
  expect([(await one).status, (await two).status]).toEqual([201, 201]);
  expect([...done.values()]).toEqual(["one", "two"]);
  expect(await get("outbox mem_ann")).toEqual([]);
});

test("who asks is told of a refusal, and nothing of it is kept", async () => {
  const mine = await tab();
  answers = [{ status: 409, detail: "The task has ended." }];
  const answer = await write(mine, "one");
  expect([answer.status, await answer.json()]).toEqual([409, { detail: "The task has ended." }]);
  expect(await get("outbox mem_ann")).toEqual([]);
});

test("what can't be kept is sent all the same, or says that it was neither", async () => {
  const mine = await tab();
  const long = "x".repeat(300_001);
  expect((await write(mine, long)).status).toBe(201);
  answers = ["no answer"];
  const { taken } = await import("../src/api/client");
  const asked = write(mine, `${long}y`).then((response) => ({ response }));
  await expect(taken(asked)).rejects.toThrow("can't be kept on this device");
});

test("a write that another tab has sent is answered in the one that asked", async () => {
  let last: Promise<unknown> = Promise.resolve();
  const request = (_: string, act: () => Promise<void>) => {
    last = last.then(act);
    return last;
  };
  vi.stubGlobal("navigator", { locks: { request } });
  const [mine, other] = [await tab(), await tab()];
  answers = ["no answer"];
  await expect(write(other, "one")).rejects.toBeInstanceOf(other.Kept);
  answers = ["late"];
  const draining = other.drain();
  await expect.poll(() => came).toEqual(["one", "one"]);
  const two = write(mine, "two");
  await expect.poll(async () => (await get("outbox mem_ann"))?.length).toBe(2);
  release();
  expect((await two).status).toBe(201);
  await draining;
  expect([...done.values()]).toEqual(["one", "two"]);
  vi.stubGlobal("navigator", undefined);
});

test("where the browser keeps nothing a write is sent all the same", async () => {
  vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(() => {
    throw new DOMException("forbidden", "SecurityError");
  });
  const mine = await tab();
  expect((await write(mine, "one")).status).toBe(201);
  vi.restoreAllMocks();
});
