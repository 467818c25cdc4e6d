import { useEffect, useRef } from "react";
import { store } from "./stores";

/** `keys` is one key as the browser names it, or two of them with a space between ("g b"). */
export type Binding = { keys: string; does: string; run: () => void };
type Section = { name: string; bindings: () => Binding[] };

const SECOND_KEY_MS = 1_200;

/** What the keys do on this page, the newest first: a page's own go before those of the shell. */
export const sections = store<Section[]>([]);

let first = "";
let firstAt = 0;

const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]";
const OWN_KEYS = `${TYPING}, [role=menu], [role=listbox], [role=dialog]`;

/** Ctrl+Enter sends what is written, wherever something is. */
export const sends = ({ key, ctrlKey, metaKey }: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey">) =>
  key === "Enter" && (ctrlKey || metaKey);

function pressed(event: KeyboardEvent) {
  if (event.defaultPrevented || event.altKey || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    run("mod+k", event);
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  const target = event.target instanceof Element ? event.target : null;
  if (event.key === "Escape" && target instanceof HTMLElement && target.matches("[data-search]")) {
    target.blur();
    return;
  }
  if (target?.closest(OWN_KEYS) || document.querySelector("[role=dialog]")) return;
  const pair = event.timeStamp - firstAt < SECOND_KEY_MS ? `${first} ${event.key}` : "";
  first = event.key;
  firstAt = event.timeStamp;
  if (pair && run(pair, event)) first = "";
  else if (!startsPair(event.key)) run(event.key, event);
}

const startsPair = (key: string) =>
  sections.get().some((section) => section.bindings().some((one) => one.keys.startsWith(`${key} `)));

function run(keys: string, event: KeyboardEvent): boolean {
  for (const section of sections.get()) {
    const found = section.bindings().find((one) => one.keys.toLowerCase() === keys.toLowerCase());
    if (!found) continue;
    event.preventDefault();
    found.run();
    return true;
  }
  return false;
}

export function listenToKeys(): () => void {
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

/** While the component is there, these keys do this; the help shows them under `name`. */
export function useKeys(name: string, bindings: Binding[]) {
  const newest = useRef(bindings);
  newest.current = bindings;
  useEffect(() => {
    const section = { name, bindings: () => newest.current };
    sections.set([section, ...sections.get()]);
    return () => sections.set(sections.get().filter((one) => one !== section));
  }, [name]);
}

/** Moves the focus among the rows of the page, which carry `data-row`. */
export function moveAmongRows(by: 1 | -1) {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter(
    (row) => row.getClientRects().length > 0,
  );
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + by));
  const row = rows[next];
  const inside = row?.querySelector<HTMLElement>("a") ?? row?.querySelector<HTMLElement>("button");
  (row?.matches("a, button, [tabindex]") ? row : inside)?.focus();
}
