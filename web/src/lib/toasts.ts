import { Kept } from "../api/outbox";
import { store } from "./stores";

export type Toast = { id: number; text: string; tone: "good" | "bad" };

const MOST = 3;
const GOOD_MS = 4_000;
/** Long enough to read a sentence that says what to do. */
const BAD_MS = 12_000;

export const toasts = store<Toast[]>([]);
let nextId = 0;

/** Says in a corner what came of a deed that has no place of its own on the page. */
export function toast(text: string, tone: Toast["tone"] = "good") {
  nextId += 1;
  const id = nextId;
  toasts.set([...toasts.get(), { id, text, tone }].slice(-MOST));
  setTimeout(() => dismiss(id), tone === "good" ? GOOD_MS : BAD_MS);
}

export const dismiss = (id: number) => toasts.set(toasts.get().filter((one) => one.id !== id));

export const toastError = (error: Error) => toast(error.message, error instanceof Kept ? "good" : "bad");
