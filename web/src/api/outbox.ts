import { get, update } from "idb-keyval";
import { store } from "../lib/stores";

/** Writes that could not be sent: kept on this device, in order, and sent once when the coordinator answers. */

export type Waiting = {
  /** The request's idempotency key: however often it is sent, it happens once. */
  key: string;
  /** What it does, for people. */
  what: string;
  method: string;
  url: string;
  body: string;
  at: number;
  /** The coordinator's own sentence; empty while it waits. */
  refused: string;
};

/** Thrown where an answer was hoped for. */
export class Kept extends Error {
  constructor() {
    super("There is no connection: it is kept on this device, and sent when there is one again.");
  }
}

const MOST = 100;
const MOST_CHARACTERS = 300_000;
/** The coordinator forgets keys after a day: what may have arrived before that is not sent by itself. */
const SAFE_MS = 20 * 3_600_000;
const AGAIN_MS = 15_000;
const PATIENCE_MS = 30_000;
const FULL = `${MOST} writes wait already, or this one is too long to be kept: send it once there is a connection.`;
const OLD = "It waited for very long and may have been done: look, then send it or remove it.";
const WORKING = "idempotency-in-flight";
/** The session is over, or there was too much at once. */
const LATER = new Set([401, 408, 425, 429]);
const SESSION = `${location.origin}/api/v1/session`;

/** All that wait, and those that were refused, the oldest first. */
export const outbox = store<Waiting[]>([]);
const words = new Map<string, string>();
let owner: string | undefined;
let draining: Promise<void> | undefined;
let again: ReturnType<typeof setTimeout> | undefined;
const others = new BroadcastChannel("pullyard-outbox");
others.onmessage = () => void look();

const place = (member: string) => `outbox ${member}`;

/** Says whose writes these are from now on: nobody else sees or sends them. */
export async function openOutbox(member: string) {
  if (owner === member) return;
  owner = member;
  await look();
  void drain();
}

async function look() {
  if (owner) outbox.set((await get<Waiting[]>(place(owner))) ?? []);
}

async function change(how: (entries: Waiting[]) => Waiting[]) {
  if (!owner) return;
  await update<Waiting[]>(place(owner), (entries) => how(entries ?? []));
  await look();
  others.postMessage("changed");
}

/** A request with this key may be kept, under this name. */
export function mayBeKept(key: string, what: string) {
  words.set(key, what);
}

/** `fetch`, but a request that may be kept is, where it can't be sent: then this throws Kept. */
export async function fetchOrKeep(request: Request): Promise<Response> {
  const key = request.headers.get("Idempotency-Key") ?? "";
  const what = words.get(key);
  if (what === undefined || !owner) return fetch(request);
  const { method, url } = request;
  const mine = { key, what, method, url, body: await request.clone().text(), at: Date.now(), refused: "" };
  if (outbox.get().some(waits)) {
    await drain();
    // What was asked first happens first.
    if (outbox.get().some(waits)) return keep(mine);
  }
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(request, { signal }).catch(() => undefined);
  if (!answer || isAway(answer.status)) return keep(mine);
  words.delete(key);
  return answer;
}

async function keep(mine: Waiting): Promise<never> {
  let full = mine.body.length > MOST_CHARACTERS;
  await change((entries) => {
    full ||= entries.length >= MOST;
    return full || entries.some(({ key }) => key === mine.key) ? entries : [...entries, mine];
  });
  if (full) throw new Error(FULL);
  sendLater();
  throw new Kept();
}

const waits = ({ refused }: Waiting) => !refused;
/** Nobody answered but a proxy in front of the coordinator. */
const isAway = (status: number) => status === 502 || status === 503 || status === 504;

/** Takes a write back: it is never sent from here again. */
export const removeWaiting = (key: string) =>
  change((entries) => entries.filter((entry) => entry.key !== key));

/** Sends one that was refused once more. */
export async function sendAgain(key: string) {
  const fresh = { refused: "", at: Date.now() };
  await change((entries) => entries.map((entry) => (entry.key === key ? { ...entry, ...fresh } : entry)));
  await drain();
}

/** Forgets all writes of whoever logs out, sent or not. */
export async function clearOutbox() {
  await change(() => []);
  owner = undefined;
  outbox.set([]);
}

/** Sends what waits, in order, until all is sent or nobody answers. Only one tab does so at a time. */
export function drain(): Promise<void> {
  clearTimeout(again);
  draining ??= alone(sendAll).finally(() => {
    draining = undefined;
  });
  return draining;
}

// Where the page did not come by TLS there are no locks; then the keys alone keep things from happening twice.
const alone = (act: () => Promise<void>): Promise<void> =>
  globalThis.navigator?.locks ? navigator.locks.request("pullyard-outbox", act) : act();

async function sendAll() {
  await look();
  if (!outbox.get().some(waits)) return;
  if (!(await isMine())) return sendLater();
  for (;;) {
    await look();
    const next = outbox.get().find(waits);
    if (!next) return;
    const refused = await send(next);
    if (refused === undefined) return sendLater();
    await change((entries) =>
      entries.flatMap((entry) => (entry.key !== next.key ? entry : refused ? { ...entry, refused } : [])),
    );
  }
}

/** In another tab somebody else may have logged in since. */
async function isMine(): Promise<boolean> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(SESSION, { signal }).catch(() => undefined);
  return answer?.ok === true && (await answer.json().catch(() => ({}))).member_id === owner;
}

function sendLater() {
  clearTimeout(again);
  again = setTimeout(() => void drain(), AGAIN_MS);
}

/** Empty: it is done. Undefined: not now. */
async function send({ key, method, url, body, at }: Waiting): Promise<string | undefined> {
  if (Date.now() - at > SAFE_MS) return OLD;
  const headers = { "Idempotency-Key": key, ...(body && { "Content-Type": "application/json" }) };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(url, { method, headers, body: body || undefined, signal }).catch(
    () => undefined,
  );
  if (!answer || isAway(answer.status) || LATER.has(answer.status)) return undefined;
  if (answer.ok) return "";
  const { detail, code } = await answer.json().catch(() => ({}));
  return code === WORKING ? undefined : detail || `The coordinator refused it (${answer.status}).`;
}
