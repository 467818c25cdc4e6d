import { store } from "./stores";

/** The service worker's side of the pages: the shell without a connection, and new versions of it. */

/** Installed beside the one that runs, or taken by another tab since; null: this is the newest. */
export const newVersion = store<ServiceWorker | null>(null);
const LOOK_MS = 3_600_000;

let lookedAt = 0;
let wanted = false;
/** Another tab has taken a new version: this page is of an old one. */
let replaced = false;

/** Installs it, where the browser has such a thing, once the page itself is there.
 *
 * `open` goes to the address of a notification that somebody has chosen. */
export function install(open: (address: string) => void) {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (wanted) return location.reload();
    replaced = true;
    newVersion.set(navigator.serviceWorker.controller);
  });
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (typeof data?.open === "string") open(data.open);
  });
  if (document.readyState === "complete") void register();
  else addEventListener("load", () => void register());
}

async function register() {
  const registration = await navigator.serviceWorker.register("/sw.js").catch(() => undefined);
  if (!registration) return;
  lookedAt = Date.now();
  offer(registration);
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", () => offer(registration));
  });
  // On phones a page is open for days.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible" || Date.now() - lookedAt < LOOK_MS) return;
    lookedAt = Date.now();
    registration.update().catch(() => undefined);
  });
}

function offer({ waiting }: ServiceWorkerRegistration) {
  if (!replaced) newVersion.set(waiting && navigator.serviceWorker.controller ? waiting : null);
}

export function takeNewVersion() {
  const there = newVersion.get();
  if (there?.state !== "installed") return location.reload();
  wanted = true;
  there.postMessage("take over");
}
