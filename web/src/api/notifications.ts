import { kept } from "../lib/stores";
import { KINDS, type Kind } from "./told";

const isKinds = (value: unknown): value is Kind[] =>
  Array.isArray(value) && value.every((one) => KINDS.some(({ kind }) => kind === one));

/** Those that are not wanted, in this browser. */
export const muted = kept<Kind[]>("muted", [], isKinds);
/** Those that are told outside of the page, too, where the browser was allowed to. */
export const onDesk = kept("desk", false, (value) => typeof value === "boolean");
/** The newest one that was seen. */
export const seen = kept("my.seen", 0, (value) => typeof value === "number");
