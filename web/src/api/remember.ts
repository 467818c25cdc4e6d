import { type DehydratedState, dehydrate, hydrate, type Query } from "@tanstack/react-query";
import { del, get, set } from "idb-keyval";
import { forgetMine, kept as keptHere } from "../lib/stores";
import type { Session } from "./client";
import { queryClient } from "./queries";

/** What was read, kept on this device for one person, to be read again without a connection. */

type Record = { layout: string; session: Session; at: number; state: DehydratedState };

const PLACE = "seen";
const SAVE_MS = 2_000;
const OLDEST_MS = 7 * 86_400_000;
const MOST = 200;
const MOST_DIFFS = 20;
/** Named after its content: another version may read its answers otherwise. */
const LAYOUT = import.meta.url;

let session: Session | undefined;
/** Who was here last, although the session may be over; empty: nobody, or nobody since a logout and a reload. */
const last = keptHere("my.name", "", (value) => typeof value === "string");
let changed: ReturnType<typeof setTimeout> | undefined;
/** Begun before anybody asks, so that it is no wait of its own. */
let reading: Promise<Record | undefined> | undefined = read();

/** Of a browser that keeps nothing: undefined. */
async function read(): Promise<Record | undefined> {
  try {
    return await get<Record>(PLACE);
  } catch {
    return undefined;
  }
}

/** Gives what was kept back to the pages, once. Returns when that was read; undefined: nothing was kept.
 *
 * `mine` is who is logged in; undefined where nobody can tell now, and then it is whoever was. */
export async function recall(mine?: Session): Promise<number | undefined> {
  const who = mine && `${mine.tenant_id} ${mine.member_id}`;
  if (who && last.get() && last.get() !== who) {
    await forget();
    forgetMine();
    last.set(who);
    // What the page holds elsewhere in memory is not for the next one, either.
    location.reload();
  }
  if (who) last.set(who);
  if (session) return undefined;
  const early = reading;
  reading = undefined;
  const kept = await (early ?? read());
  const fits = kept?.layout === LAYOUT && (!mine || isSame(kept.session, mine));
  if (kept && !fits) await del(PLACE).catch(() => undefined);
  session = mine ?? (fits ? kept.session : undefined);
  if (!kept || !fits) return undefined;
  hydrate(queryClient, kept.state);
  return kept.at;
}

const isSame = (one: Session, other: Session) =>
  one.member_id === other.member_id && one.tenant_id === other.tenant_id;

/** Who is logged in, or was when nobody could be asked. */
export const known = () => session;

/** Removes it all, what the pages hold in memory, too: whoever read it is not here any more. */
export async function forget() {
  session = undefined;
  queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  clearTimeout(changed);
  reading = undefined;
  await del(PLACE).catch(() => undefined);
}

/** Keeps what is read from now on; call it once. */
export function rememberWhatIsRead() {
  queryClient.getQueryCache().subscribe(({ type }) => {
    if (type === "updated") changed ??= setTimeout(save, SAVE_MS);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") void save();
  });
}

async function save() {
  clearTimeout(changed);
  changed = undefined;
  if (!session) return;
  const chosen = worthKeeping(queryClient.getQueryCache().getAll());
  const state: DehydratedState = dehydrate(queryClient, {
    shouldDehydrateQuery: (query) => chosen.has(query),
    shouldDehydrateMutation: () => false,
  });
  // An answer is worth keeping although to ask again has failed since.
  for (const query of state.queries) query.state = { ...query.state, status: "success", error: null };
  // A full or forbidden storage costs only the remembering.
  await set(PLACE, { layout: LAYOUT, session, at: Date.now(), state } satisfies Record).catch(
    () => undefined,
  );
}

function worthKeeping(queries: Query[]): Set<Query> {
  const since = Date.now() - OLDEST_MS;
  const read = queries
    .filter(({ state }) => state.data !== undefined && state.dataUpdatedAt > since)
    .sort((left, right) => right.state.dataUpdatedAt - left.state.dataUpdatedAt);
  const isDiff = ({ queryKey }: Query) => queryKey[0] === "diff";
  const diffs = read.filter(isDiff).slice(0, MOST_DIFFS);
  return new Set([...read.filter((query) => !isDiff(query)).slice(0, MOST), ...diffs]);
}
