// String sequences go with all that they carry, then CSI, then any other escape.
const SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out.
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g;
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken out.
  /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
const HIDDEN = /[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Hostile text made safe to read: no escape or control sequence, and marks that reorder or hide are named. */
export function plain(text: string): string {
  return text
    .replace(SEQUENCES, "")
    .replace(CONTROLS, "")
    .replace(
      HIDDEN,
      (mark) => `\u27e8U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
    );
}
