import { addressOf, KINDS, toldBy } from "../api/told";
import { plain } from "../components/plain";

/** Runs beside the pages: the shell without a connection, and what is pushed while no page is open. */

declare const self: ServiceWorkerGlobalScope;
/** All files of the pages and a name of just these, from the build. */
declare const FILES: string[];
declare const VERSION: string;

const PREFIX = "shell-";
/** A connection that takes longer shows the shell that is here. */
const PATIENCE_MS = 3_000;
const TEXT_CHARACTERS = 200;

self.addEventListener("install", (event) => {
  event.waitUntil(keepShell());
});

async function keepShell() {
  const cache = await caches.open(PREFIX + VERSION);
  // Files are named after their content; the others may have changed under their names.
  await cache.addAll(FILES.map((path) => (path.startsWith("/assets/") ? path : reload(path))));
}

const reload = (path: string) => new Request(path, { cache: "reload" });

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOldShells());
});

/** The one before stays: pages of it may be open in other tabs, and load more of it. */
async function removeOldShells() {
  const shells = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  await Promise.all(shells.slice(0, -2).map((name) => caches.delete(name)));
}

self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== self.location.origin) return;
  if (mode === "navigate") {
    if (!/^\/(api|login|metrics)\b/.test(pathname)) event.respondWith(page(event.request));
    // What an older page loads of itself is in an older shell.
  } else if (pathname.startsWith("/assets/") || FILES.includes(pathname))
    event.respondWith(file(event.request));
});

/** The newest page that there is: the shell that is kept is only for where nobody answers. */
async function page(request: Request): Promise<Response> {
  const asked = fetch(request).catch(() => undefined);
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS));
  const answer = await Promise.race([asked, late]);
  if (answer && answer.status < 500) return answer;
  const kept = await (await caches.open(PREFIX + VERSION)).match("/");
  return (kept && withoutLinks(kept)) ?? (await asked) ?? Response.error();
}

/** What the board reads first is sent for by a header: on another page nobody would read it, until it is old. */
function withoutLinks({ body, headers }: Response): Response {
  const shown = new Headers(headers);
  shown.delete("link");
  return new Response(body, { headers: shown });
}

async function file(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}

self.addEventListener("push", (event) => {
  event.waitUntil(tell(event.data));
});

async function tell(data: PushMessageData | null) {
  const event = data?.json();
  const told = event && toldBy(event);
  if (!told) return;
  const kind = KINDS.find(({ kind: one }) => one === told.kind)?.name ?? "Pullyard";
  const title = event.title ? `${kind}: ${plain(event.title)}` : kind;
  await self.registration.showNotification(title.slice(0, TEXT_CHARACTERS), {
    body: plain(told.text).slice(0, TEXT_CHARACTERS),
    // Told twice, it is shown once.
    tag: `event-${told.id}`,
    data: addressOf(told),
    icon: "/mark.png",
  });
  const all = await self.registration.getNotifications();
  await navigator.setAppBadge?.(all.length);
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});

/** In a page that is open, or in a new one. */
async function open(address: string) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = pages.find(({ visibilityState }) => visibilityState === "visible") ?? pages[0];
  if (!shown) return void (await self.clients.openWindow(address));
  shown.postMessage({ open: address });
  await shown.focus();
}
