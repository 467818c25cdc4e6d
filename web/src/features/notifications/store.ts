import { api, taken } from "../../api/client";
import { cursor, onNews } from "../../api/live";
import { muted, onDesk } from "../../api/notifications";
import { goOnTelling, isTold } from "../../api/push";
import { addressOf, KINDS, type Kind, type Told, toldBy } from "../../api/told";
import { plain } from "../../components/plain";
import { store } from "../../lib/stores";

const MOST = 60;
/** So many events back it looks for what happened before this page was opened. */
const BACK = 400;
const PAGE = 200;

/** The newest first. */
export const told = store<Told[]>([]);

/** Those that are wanted, and how many of them nobody has seen yet. */
export function wanted(all: Told[], silent: Kind[], seenTo: number) {
  const shown = all.filter(({ kind }) => !silent.includes(kind));
  return { shown, fresh: shown.filter(({ id }) => id > seenTo).length };
}

function add(found: Told[]) {
  if (found.length === 0) return;
  const known = new Map([...told.get(), ...found].map((one) => [one.id, one]));
  told.set([...known.values()].sort((left, right) => right.id - left.id).slice(0, MOST));
}

async function readBack(end: number) {
  let at = Math.max(0, end - BACK);
  while (at < end) {
    const params = { query: { cursor: at, limit: PAGE } };
    const page = await taken(api.GET("/api/v1/events", { params }));
    add(page.items.flatMap((event) => toldBy(event) ?? []));
    const next = Number(page.next);
    if (page.items.length === 0 || next <= at) return;
    at = next;
  }
}

/** Listens until it is stopped, and looks once at what was before. */
export function startTelling(): () => void {
  let looked = false;
  const look = () => {
    const end = cursor.get();
    if (looked || end === null) return;
    looked = true;
    readBack(end).catch(() => {
      looked = false;
    });
  };
  look();
  goOnTelling().catch(() => undefined);
  const stops = [
    cursor.subscribe(look),
    onNews((news) => {
      const one = toldBy(news);
      if (!one) return;
      add([one]);
      tellOnTheDesk(one);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function tellOnTheDesk(one: Told) {
  // The push is shown anyway.
  if (isTold()) return;
  if (!onDesk.get() || muted.get().includes(one.kind) || document.visibilityState === "visible") return;
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const title = KINDS.find(({ kind }) => kind === one.kind)?.name ?? "Pullyard";
  try {
    const shown = new Notification(title, { body: plain(one.text).slice(0, 200), tag: String(one.id) });
    shown.onclick = () => {
      window.focus();
      location.assign(addressOf(one));
    };
  } catch {
    // Browsers of phones show none that a page makes by itself.
  }
}
