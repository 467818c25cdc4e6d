import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

/** The coordinator's side of the stream, in small: events by cursor, one log by offset. */
const EVENTS = 1_000;
const LOG = new TextEncoder().encode("a line of the log\n".repeat(500));
const PIECE = 37;
const SOCKETS: Socket[] = [];
let written = 0;
/** Nobody answers: a new connection is neither made nor refused. */
let answers = true;

class Socket {
  static OPEN = 1;
  static CONNECTING = 0;
  readyState = 0;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: () => void;
  cursor = Number.POSITIVE_INFINITY;
  logs: { id: string; offset: number }[] = [];

  constructor() {
    SOCKETS.push(this);
    queueMicrotask(() => {
      if (!answers) return;
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(raw: string) {
    const { type, id, cursor, offset } = JSON.parse(raw);
    if (type === "subscribe-events") {
      this.cursor = cursor ?? written;
      this.say({ type: "subscribed", id, cursor: this.cursor });
    }
    if (type === "subscribe-log") this.logs.push({ id, offset });
  }

  /** All that it may know, at most `most` messages of it. */
  flow(most: number) {
    for (let sent = 0; sent < most; sent += 1) {
      if (this.cursor < written) {
        this.cursor += 1;
        this.say({ type: "task-update", kind: "task.queued", cursor: this.cursor, payload: {} });
      }
      for (const log of this.logs) {
        const piece = LOG.subarray(log.offset, log.offset + PIECE);
        const data = btoa(String.fromCharCode(...piece));
        const message = { type: "execution-log", subscription: log.id, encoding: "base64", data };
        if (piece.length) this.say({ ...message, offset: log.offset, size_bytes: piece.length });
        log.offset += piece.length;
      }
    }
  }

  say(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  close() {
    this.readyState = 3;
    this.onclose?.();
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  SOCKETS.length = 0;
  written = 0;
  answers = true;
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("location", { origin: "http://127.0.0.1:9", href: "http://127.0.0.1:9/" });
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settled = () => vi.advanceTimersByTimeAsync(10_000);
const now = () => SOCKETS.at(-1) as Socket;

test("over a hundred disconnects no event and no byte is missed or doubled", async () => {
  const live = await import("../src/api/live");
  const heard: number[] = [];
  let log = "";
  live.onNews(({ cursor }) => heard.push(cursor));
  const stop = live.goLive();
  await vi.advanceTimersByTimeAsync(1);
  const text = new TextDecoder();
  live.followLog({
    execution_id: "exec_1",
    stream: "implement",
    offset: 0,
    bytes: (data) => {
      log += text.decode(data);
    },
    ended: () => undefined,
    refused: () => undefined,
  });
  for (let cut = 1; cut <= 100; cut += 1) {
    written = Math.min(EVENTS, cut * 10);
    now().flow(cut % 7);
    const old = now();
    old.close();
    expect(live.offlineSince.get()).not.toBeNull();
    await settled();
    expect(now()).not.toBe(old);
    expect(live.offlineSince.get()).toBeNull();
    now().flow(1);
    // What still comes by a connection that was given up is not heard.
    old.flow(1);
  }
  now().flow(EVENTS);
  stop();
  expect(SOCKETS.length).toBe(101);
  expect(heard).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
  expect(log).toBe(new TextDecoder().decode(LOG));
});

test("a connection that is silent is given up", async () => {
  vi.resetModules();
  const live = await import("../src/api/live");
  const stop = live.goLive();
  await vi.advanceTimersByTimeAsync(1);
  const first = now();
  await vi.advanceTimersByTimeAsync(40_000);
  expect(now()).not.toBe(first);
  stop();
});

test("the late goodbye of a connection leaves the next one watched", async () => {
  vi.resetModules();
  const live = await import("../src/api/live");
  const stop = live.goLive();
  await vi.advanceTimersByTimeAsync(1);
  const first = now();
  const goodbye = first.onclose;
  first.close();
  answers = false;
  await vi.advanceTimersByTimeAsync(700);
  const second = now();
  expect(second).not.toBe(first);
  goodbye?.();
  await settled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(now()).not.toBe(second);
  stop();
});

test("a connection that is long in the making is tried anew where somebody asks for it", async () => {
  vi.resetModules();
  const live = await import("../src/api/live");
  let passed = 0;
  vi.spyOn(performance, "now").mockImplementation(() => passed);
  answers = false;
  const stop = live.goLive();
  const first = now();
  live.reconnect();
  expect(now()).toBe(first);
  passed = 5_000;
  live.reconnect();
  expect(now()).not.toBe(first);
  expect(first.readyState).toBe(3);
  const second = now();
  passed = 10_000;
  window.dispatchEvent(new Event("online"));
  expect(now()).not.toBe(second);
  stop();
  vi.restoreAllMocks();
});

test("what could not be read while there was no connection is read once there is one again", async () => {
  vi.resetModules();
  const [live, { queryClient }, { QueryObserver }] = await Promise.all([
    import("../src/api/live"),
    import("../src/api/queries"),
    import("@tanstack/react-query"),
  ]);
  const { mendBoards } = await import("../src/api/board");
  mendBoards();
  let there = true;
  const reads: string[] = [];
  const observe = (...queryKey: string[]) =>
    new QueryObserver(queryClient, {
      queryKey,
      retry: false,
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: async () => {
        if (!there) throw new Error("no connection");
        reads.push(queryKey.join());
        return queryKey[0] === "board" ? { tasks: new Map(), executions: new Map() } : "read";
      },
    }).subscribe(() => undefined);
  const stop = live.goLive();
  const leave = [observe("board", ""), observe("executions", "task_1"), observe("workers")];
  await settled();
  there = false;
  written = 1;
  now().say({ type: "task-update", kind: "task.queued", cursor: 1, task_id: "task_1", payload: {} });
  await settled();
  now().close();
  leave.push(observe("projects"));
  await vi.advanceTimersByTimeAsync(100);
  there = true;
  reads.length = 0;
  await settled();
  expect(reads.sort()).toEqual(["board,", "executions,task_1", "projects"]);
  for (const one of [...leave, stop]) one();
});

test("who works where decides what tasks are told that wait for a worker", async () => {
  const live = await import("../src/api/live");
  const { queryClient } = await import("../src/api/queries");
  const { mendBoards } = await import("../src/api/board");
  mendBoards();
  const shown = [["board", ""], ["tasks", "task_1"], ["workers"]];
  for (const key of shown) queryClient.setQueryData(key, []);
  const stop = live.goLive();
  await settled();
  for (const key of shown) queryClient.setQueryData(key, []);
  now().say({ type: "worker-update", kind: "worker.offline", cursor: 1, payload: {} });
  await settled();
  expect(shown.filter((key) => !queryClient.getQueryState(key)?.isInvalidated)).toEqual([]);
  stop();
});

test("news that can't be taken in leaves those after it heard", async () => {
  vi.resetModules();
  const [live, { queryClient }] = await Promise.all([
    import("../src/api/live"),
    import("../src/api/queries"),
  ]);
  const { mendBoards } = await import("../src/api/board");
  mendBoards();
  const listeners = process.rawListeners("unhandledRejection") as (() => void)[];
  const wrong = vi.fn();
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", wrong);
  const stop = live.goLive();
  await settled();
  queryClient.setQueryData(["board", ""], { tasks: 7 });
  now().say({ type: "task-update", kind: "task.queued", cursor: 1, task_id: "task_1", payload: {} });
  await settled();
  expect(wrong).toHaveBeenCalledOnce();
  queryClient.setQueryData(["board", ""], { tasks: new Map(), executions: new Map() });
  now().say({ type: "task-update", kind: "task.queued", cursor: 2, task_id: "task_1", payload: {} });
  await settled();
  expect(queryClient.getQueryState(["board", ""])?.isInvalidated).toBe(true);
  stop();
  process.removeAllListeners("unhandledRejection");
  for (const one of listeners) process.on("unhandledRejection", one);
});

test("what could not be read by bad luck is read again, and what was refused is not", async () => {
  vi.resetModules();
  const [live, { queryClient }, { ApiProblem }, { QueryObserver }] = await Promise.all([
    import("../src/api/live"),
    import("../src/api/queries"),
    import("../src/api/client"),
    import("@tanstack/react-query"),
  ]);
  const stop = live.goLive();
  await settled();
  const reads: number[] = [];
  const observe = (status: number) =>
    new QueryObserver(queryClient, {
      queryKey: [status],
      retry: false,
      queryFn: () => {
        reads.push(status);
        throw new ApiProblem(status, "not now");
      },
    }).subscribe(() => undefined);
  const leave = [0, 429, 404, 500].map(observe);
  await vi.advanceTimersByTimeAsync(100);
  expect(reads).toEqual([0, 429, 404, 500]);
  await settled();
  expect(reads.slice(4)).toEqual([0, 429, 500]);
  for (const one of [...leave, stop]) one();
});
