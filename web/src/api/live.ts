import { store, useStore } from "../lib/stores";
import { drain } from "./outbox";
import { everythingIsStale, type News, newsMakesStale, readWhatFailed, readWhatMayPass } from "./stale";

/** The one WebSocket: events refresh what is on the page, logs go to whoever follows them. */

const BEAT_MS = 15_000;
const SILENCE_MS = 10_000;
const LONGEST_WAIT_MS = 10_000;
/** A connection that is not made by then may be asked for once more. */
const CONNECTS_MS = 3_000;

type LogFollower = {
  execution_id: string;
  stream: string;
  offset: number;
  bytes: (data: Uint8Array, offset: number) => void;
  ended: () => void;
  /** It goes on no more; `code` is for programs, the message for people. */
  refused: (code: string, message: string) => void;
};

let socket: WebSocket | undefined;
let openedAt = 0;
let wanted = false;
let failures = 0;
let nextId = 0;
let silence: ReturnType<typeof setTimeout> | undefined;
let again: ReturnType<typeof setTimeout> | undefined;
/** Since when the pages show what was, in milliseconds; null while they show what is. */
export const offlineSince = store<number | null>(null);
/** Up to where the feed was heard; null until the first subscription stands. */
export const cursor = store<number | null>(null);
const logs = new Map<string, LogFollower>();
const listeners = new Set<(news: News) => void>();

function send(message: object) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ v: 1, ...message }));
}

/** With what they are about, so that a hundred pages don't ask for it at the same time. */
function subscribeEvents() {
  send({ type: "subscribe-events", id: "events", cursor: cursor.get(), resources: true });
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
  if (message.type === "ping") send({ type: "pong" });
  else if (message.type === "subscribed") {
    if (message.cursor === null) return;
    // The feed goes on where it was; what it made pages read may have failed with the connection.
    if (cursor.get() !== null) return readWhatFailed();
    cursor.set(message.cursor);
    // What changed before the first subscription stood is read anew.
    everythingIsStale();
  } else if (message.type === "execution-log" || message.type === "completion") receiveLog(message);
  else if (message.type === "error") receiveError(message);
  else if (message.kind) {
    cursor.set(message.cursor);
    newsMakesStale(message);
    for (const listener of listeners) listener(message);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a message of the stream, told apart by its type.
function receiveLog(message: any) {
  const log = logs.get(message.subscription);
  if (!log) return;
  if (message.type === "completion") {
    log.ended();
    logs.delete(message.subscription);
  } else {
    log.offset = message.offset + message.size_bytes;
    log.bytes(bytesOf(message), message.offset);
  }
}

function receiveError({ code, subscription, message }: Record<string, string>) {
  const log = logs.get(subscription ?? "");
  if (log) {
    logs.delete(subscription ?? "");
    log.refused(code ?? "", message ?? "");
  } else if (code === "cursor-ahead") {
    // The database was restored from a backup: nothing that is known here counts any more.
    cursor.set(null);
    subscribeEvents();
  } else if (code === "interrupted" && socket) lost(socket);
}

function open() {
  clearTimeout(again);
  const address = new URL("/api/v1/stream", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(address);
  const old = socket;
  socket = mine;
  openedAt = performance.now();
  old?.close();
  listen();
  mine.onopen = () => {
    failures = 0;
    offlineSince.set(null);
    void drain();
    subscribeEvents();
    for (const [id, log] of logs) subscribeLog(id, log);
  };
  mine.onmessage = (event) => {
    if (socket === mine) receive(event.data);
  };
  mine.onclose = () => lost(mine);
}

/** Does not wait for a dead server's goodbye. */
function lost(mine: WebSocket) {
  if (socket !== mine) return;
  clearTimeout(silence);
  if (!wanted) return;
  socket = undefined;
  mine.close();
  if (offlineSince.get() === null) offlineSince.set(Date.now());
  failures += 1;
  // A session that has ended closes the socket too: ask, and the login page shows.
  everythingIsStale("session");
  again = setTimeout(open, Math.min(LONGEST_WAIT_MS, 300 * 2 ** failures) * (0.5 + Math.random() / 2));
}

function listen() {
  clearTimeout(silence);
  const mine = socket;
  silence = setTimeout(() => mine && lost(mine), SILENCE_MS);
}

function beat() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  send({ type: "ping" });
  listen();
  readWhatMayPass();
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
    else if (!isUnderWay()) open();
  };
  document.addEventListener("visibilitychange", back);
  window.addEventListener("online", back);
  return () => {
    wanted = false;
    clearInterval(beating);
    clearTimeout(again);
    clearTimeout(silence);
    document.removeEventListener("visibilitychange", back);
    window.removeEventListener("online", back);
    socket?.close();
    socket = undefined;
  };
}

/** Tries at once, without waiting for the next try. */
export function reconnect() {
  if (wanted && socket?.readyState !== WebSocket.OPEN && !isUnderWay()) open();
}

const isUnderWay = () =>
  socket?.readyState === WebSocket.CONNECTING && performance.now() - openedAt < CONNECTS_MS;

/** Hears every event from now on. Returns what stops it. */
export function onNews(listener: (news: News) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
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

export const useOfflineSince = () => useStore(offlineSince);
