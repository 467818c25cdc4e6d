import { plain } from "../plain";

/** A piece of a line, with the names of how it looks. `rgb` is a colour of its own, bright enough to be read. */
export type Piece = { text: string; look: string; rgb?: string };

type Style = { colour?: string; rgb?: string; back?: string; marks: Set<string> };

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what colours begin with.
const COLOURS = /(?:\x1b\[|\x9b)([\d;:]{0,64})m/;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const MARKS: Record<number, string> = {
  1: "bold",
  2: "dim",
  3: "italic",
  4: "underlined",
  7: "inverse",
  9: "struck",
};
/** What ends a mark; 22 ends two of them. */
const ENDS: Record<number, string[]> = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underlined"],
  27: ["inverse"],
  29: ["struck"],
};
const DARKEST = 110;

/** A line's text with its colours. All other sequences are dropped; nothing can hide or move anything. */
export function coloured(line: string): Piece[] {
  const style: Style = { marks: new Set() };
  const pieces: Piece[] = [];
  // With one group every other part is a sequence's numbers.
  for (const [place, part] of line.split(COLOURS).entries()) {
    const text = place % 2 ? "" : plain(part);
    if (place % 2) apply(style, part);
    else if (text) pieces.push(pieceOf(style, text));
  }
  return pieces;
}

/** What a terminal shows of a line that draws itself anew, and how often it did. */
export function lastDrawing(line: string): { text: string; drawings: number } {
  const drawings = line.split("\r").filter((one) => one !== "");
  return { text: drawings.at(-1) ?? "", drawings: Math.max(0, drawings.length - 1) };
}

function pieceOf({ colour, rgb, back, marks }: Style, text: string): Piece {
  const names = [...marks, colour && `fg-${colour}`, back && `bg-${back}`].filter(Boolean);
  const look = names.join(" ");
  return rgb ? { text, look, rgb } : { text, look };
}

function apply(style: Style, numbers: string) {
  const codes = numbers.split(/[;:]/).map(Number);
  for (let place = 0; place < codes.length; place++) {
    const code = codes[place] ?? 0;
    if (code === 38 || code === 48) place += extended(style, code, codes.slice(place + 1, place + 5));
    else one(style, code);
  }
}

function one(style: Style, code: number) {
  if (code === 0)
    Object.assign(style, { colour: undefined, rgb: undefined, back: undefined, marks: new Set() });
  const mark = MARKS[code];
  if (mark) style.marks.add(mark);
  for (const ended of ENDS[code] ?? []) style.marks.delete(ended);
  if (code === 39) Object.assign(style, { colour: undefined, rgb: undefined });
  if (code === 49) style.back = undefined;
  if (code >= 30 && code <= 37) Object.assign(style, { colour: NAMES[code - 30], rgb: undefined });
  if (code >= 90 && code <= 97)
    Object.assign(style, { colour: `bright-${NAMES[code - 90]}`, rgb: undefined });
  if (code >= 40 && code <= 47) style.back = NAMES[code - 40];
  if (code >= 100 && code <= 107) style.back = NAMES[code - 100];
}

/** One of 256 colours, or one by its parts. Returns how many numbers it took. */
function extended(style: Style, code: number, [kind, ...rest]: number[]): number {
  const taken = kind === 5 ? 2 : kind === 2 ? 4 : 1;
  if (code === 38 && (kind === 5 || kind === 2)) {
    style.colour = undefined;
    style.rgb = undefined;
    const index = rest[0] ?? 0;
    if (kind === 2) style.rgb = readable(rest.slice(0, 3));
    else if (index < 16) style.colour = `${index > 7 ? "bright-" : ""}${NAMES[index % 8]}`;
    else style.rgb = readable(ofTable(index));
  }
  return taken;
}

function ofTable(index: number): number[] {
  if (index >= 232) return Array(3).fill(8 + (Math.min(index, 255) - 232) * 10);
  const step = (part: number) => (part ? 55 + part * 40 : 0);
  const cube = index - 16;
  return [step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)];
}

/** On the log's dark ground, whatever colour was asked for. */
function readable(parts: number[]): string {
  const [red = 0, green = 0, blue = 0] = parts.map((part) => Math.min(255, Math.max(0, part || 0)));
  const light = 0.299 * red + 0.587 * green + 0.114 * blue;
  const mix = light < DARKEST ? (DARKEST - light) / (255 - light) : 0;
  const lifted = [red, green, blue].map((part) => Math.round(part + (255 - part) * mix));
  return `rgb(${lifted.join(" ")})`;
}
