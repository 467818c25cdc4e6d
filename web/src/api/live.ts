import { useSyncExternalStore } from "react";
import { queryClient } from "./queries";

/** The one WebSocket: events refresh what is on the page, logs go to whoever follows them. */

const BEAT_MS = 15_000;
const SILENCE_MS = 10_000;
const LONGEST_WAIT_MS = 10_000;
const GATHER_MS = 150;

type LogFollower = {
  execution_id: string;
  stream: string;
  offset: number;
  bytes: (data: Uint8Array) => void;
  ended: () => void;
};

const LISTS: Record<string, string[]> = {
  "task-update": ["tasks", "projects"],
  "execution-update": ["executions", "tasks", "workers"],
  "change-update": ["changes", "tasks"],
  "worker-update": ["workers"],
};

let socket: WebSocket | undefined;
let wanted = false;
let connected = true;
let cursor: number | null = null;
let failures = 0;
let nextId = 0;
let silence: ReturnType<typeof setTimeout> | undefined;
let again: ReturnType<typeof setTimeout> | undefined;
const logs = new Map<string, LogFollower>();
const watchers = new Set<() => void>();
const stale = new Set<string>();

function setConnected(now: boolean) {
  if (now === connected) return;
  connected = now;
  for (const watcher of watchers) watcher();
}

function refresh(keys: string[]) {
  if (stale.size === 0) {
    setTimeout(() => {
      for (const key of stale) queryClient.invalidateQueries({ queryKey: [key] });
      stale.clear();
    }, GATHER_MS);
  }
  for (const key of keys) stale.add(key);
}

function send(message: object) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ v: 1, ...message }));
}

function subscribeLog(id: string, { execution_id, stream, offset }: LogFollower) {
  send({ type: "subscribe-log", id, execution_id, stream, offset });
}

function bytesOf(message: { encoding: string; data: string }): Uint8Array {
  if (message.encoding === "utf-8") return new TextEncoder().encode(message.data);
  return Uint8Array.from(atob(message.data), (letter) => letter.charCodeAt(0));
}

function receive(raw: string) {
  clearTimeout(silence);
  const message = JSON.parse(raw);
  if (message.type === "ping") {
    send({ type: "pong" });
    return;
  }
  const log = logs.get(message.subscription);
  if (message.type === "subscribed" && message.cursor !== null) cursor ??= message.cursor;
  else if (message.type === "execution-log" && log) {
    log.offset = message.offset + message.size_bytes;
    log.bytes(bytesOf(message));
  } else if (message.type === "completion" && log) {
    log.ended();
    logs.delete(message.subscription);
  } else if (message.type === "error" && message.code === "interrupted") socket?.close();
  else if (message.cursor) {
    cursor = message.cursor;
    refresh(LISTS[message.type] ?? []);
  }
}

function open() {
  clearTimeout(again);
  const address = new URL("/api/v1/stream", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(address);
  socket = mine;
  mine.onopen = () => {
    failures = 0;
    setConnected(true);
    send({ type: "subscribe-events", id: "events", cursor });
    // What changed before the first subscription is read anew.
    if (cursor === null) refresh(["tasks", "executions", "changes", "workers", "projects"]);
    for (const [id, log] of logs) subscribeLog(id, log);
  };
  mine.onmessage = (event) => receive(event.data);
  mine.onclose = () => {
    clearTimeout(silence);
    if (socket !== mine || !wanted) return;
    setConnected(false);
    failures += 1;
    // A session that has ended closes the socket too: ask, and the login page shows.
    queryClient.invalidateQueries({ queryKey: ["session"] });
    again = setTimeout(open, Math.min(LONGEST_WAIT_MS, 300 * 2 ** failures) * (0.5 + Math.random() / 2));
  };
}

function beat() {
  send({ type: "ping" });
  clearTimeout(silence);
  silence = setTimeout(() => socket?.close(), SILENCE_MS);
}

/** Begins to listen; call it once somebody is logged in. Returns what stops it. */
export function goLive(): () => void {
  wanted = true;
  open();
  const beating = setInterval(beat, BEAT_MS);
  const back = () => {
    if (document.visibilityState !== "visible") return;
    // Phones leave sockets behind that look open and are dead.
    if (socket?.readyState === WebSocket.OPEN) beat();
    else if (socket?.readyState !== WebSocket.CONNECTING) open();
  };
  document.addEventListener("visibilitychange", back);
  window.addEventListener("online", back);
  return () => {
    wanted = false;
    clearInterval(beating);
    clearTimeout(again);
    document.removeEventListener("visibilitychange", back);
    window.removeEventListener("online", back);
    socket?.close();
  };
}

/** Follows a log from `offset`, over every reconnect, without a gap. Returns what stops it. */
export function followLog(follower: LogFollower): () => void {
  nextId += 1;
  const id = `log-${nextId}`;
  logs.set(id, follower);
  subscribeLog(id, follower);
  return () => {
    if (logs.delete(id)) send({ type: "unsubscribe", id });
  };
}

export function useConnected(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => connected,
  );
}
