import { store } from "./stores";

export type Dialog = { kind: "create"; projectId?: string } | { kind: "palette" } | { kind: "help" };

/** The dialog that is open over the page; they are opened from everywhere and shown by the shell. */
export const dialog = store<Dialog | null>(null);

export const openDialog = (wanted: Dialog) => dialog.set(wanted);
export const closeDialog = () => dialog.set(null);
