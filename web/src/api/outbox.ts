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

/** It was neither sent nor kept. */
export class NotKept extends Error {
  constructor() {
    super(NOT_KEPT);
  }
}

const MOST = 100;
const MOST_CHARACTERS = 300_000;
/** The coordinator forgets keys after a day: what may have arrived before that is not sent by itself. */
const SAFE_MS = 20 * 3_600_000;
const AGAIN_MS = 15_000;
const PATIENCE_MS = 30_000;
const NOT_KEPT = `It was not sent, and can't be kept on this device (${MOST} writes wait already, it is too long, or the browser keeps nothing): send it once there is a connection.`;
const OLD = "It waited for very long and may have been done: look, then send it or remove it.";
const WORKING = "idempotency-in-flight";
/** The session is over, or there was too much at once. */
const LATER = new Set([401, 408, 425, 429]);
const SESSION = `${location.origin}/api/v1/session`;

/** All that have to wait, and those that were refused, the oldest first. */
export const outbox = store<Waiting[]>([]);
const words = new Map<string, string>();
/** Those in this page who hope for an answer, by key: what they ask for is kept, and shown once it has to wait. */
const callers = new Map<string, (answer?: Response) => void>();
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

/** Of a browser that keeps nothing: none. */
async function entries(): Promise<Waiting[]> {
  try {
    return (owner && (await get<Waiting[]>(place(owner)))) || [];
  } catch {
    return [];
  }
}

async function look() {
  const all = await entries();
  if (owner) outbox.set(all.filter(({ key }) => !callers.has(key)));
}

async function tell() {
  await look();
  others.postMessage("changed");
}

async function change(how: (entries: Waiting[]) => Waiting[]) {
  if (!owner) return;
  await update<Waiting[]>(place(owner), (entries) => how(entries ?? []));
  await tell();
}

/** A request with this key may be kept, under this name. */
export function mayBeKept(key: string, what: string) {
  words.set(key, what);
}

/** `fetch`, but a request that may be kept is, before it is sent: where that can't be done now, this throws Kept.
 *
 * Throws NotKept where it could neither be sent nor be kept. */
export async function fetchOrKeep(request: Request): Promise<Response> {
  const key = request.headers.get("Idempotency-Key") ?? "";
  const what = words.get(key);
  if (what === undefined || !owner) return fetch(request);
  const { method, url } = request;
  const mine = { key, what, method, url, body: await request.clone().text(), at: Date.now(), refused: "" };
  const hoped = hopeFor(key);
  if (await put(mine).catch(() => false)) void sendFor(key);
  else {
    settle(key);
    return sendAtOnce(request);
  }
  const answer = await hoped;
  if (answer) {
    words.delete(key);
    return answer;
  }
  // Another tab has sent it: the same key gets the same answer.
  if (owner && !(await entries()).some((entry) => entry.key === key)) return sendAtOnce(request);
  await tell();
  sendLater();
  throw new Kept();
}

/** The answer to what this page has just asked for; undefined: it has to wait. */
function hopeFor(key: string): Promise<Response | undefined> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => settle(key), PATIENCE_MS);
    callers.set(key, (answer) => {
      clearTimeout(patience);
      callers.delete(key);
      resolve(answer);
    });
  });
}

const settle = (key: string, answer?: Response) => callers.get(key)?.(answer);

/** False: it can't be kept. */
async function put(mine: Waiting): Promise<boolean> {
  if (!owner || mine.body.length > MOST_CHARACTERS) return false;
  let fits = false;
  await update<Waiting[]>(place(owner), (entries = []) => {
    const there = entries.some(({ key }) => key === mine.key);
    fits = there || entries.length < MOST;
    return there || !fits ? entries : [...entries, mine];
  });
  return fits;
}

async function sendFor(key: string) {
  await drain().catch(() => undefined);
  // Those who were at it may have looked for the last time just before this one came.
  if (callers.has(key)) await drain().catch(() => undefined);
  settle(key);
}

/** What was asked first happens first all the same. */
async function sendAtOnce(request: Request): Promise<Response> {
  if ((await entries()).some(waits)) {
    await drain();
    if ((await entries()).some(waits)) throw new NotKept();
  }
  const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => undefined);
  if (!answer || isAway(answer.status)) throw new NotKept();
  return answer;
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
  await change(() => []).catch(() => undefined);
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
  let sure = false;
  for (;;) {
    const next = (await entries()).find(waits);
    if (!next) return look();
    // Who has just asked for it is here.
    const hoped = callers.has(next.key);
    if (!hoped) sure ||= await isMine();
    const sent = hoped || sure ? await send(next, hoped) : undefined;
    if (!sent) return wait();
    const { refused, answer } = sent;
    await change((entries) =>
      entries.flatMap((entry) => (entry.key !== next.key ? entry : refused ? { ...entry, refused } : [])),
    ).finally(() => settle(next.key, answer));
  }
}

/** Nobody answers: all that is asked for has to wait. */
function wait() {
  for (const key of [...callers.keys()]) settle(key);
  sendLater();
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

type Sent = { refused: string; answer?: Response };

/** Undefined: not now. An answer that is hoped for is handed on, whatever it says. */
async function send({ key, method, url, body, at }: Waiting, hoped: boolean): Promise<Sent | undefined> {
  if (Date.now() - at > SAFE_MS) return { refused: OLD };
  const headers = { "Idempotency-Key": key, ...(body && { "Content-Type": "application/json" }) };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(url, { method, headers, body: body || undefined, signal }).catch(
    () => undefined,
  );
  if (!answer || isAway(answer.status)) return undefined;
  if (hoped) return { refused: "", answer };
  if (LATER.has(answer.status)) return undefined;
  if (answer.ok) return { refused: "" };
  const { detail, code } = await answer.json().catch(() => ({}));
  if (code === WORKING) return undefined;
  return { refused: detail || `The coordinator refused it (${answer.status}).` };
}
