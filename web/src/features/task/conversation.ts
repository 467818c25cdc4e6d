import type { followLog } from "../../api/live";
import { LineCutter } from "../../components/log/cutter";
import { mayPass } from "../../lib/problems";

/** What an agent said and did, from the log stream of that name: JSON lines of any program's making. */

export const STREAM = "conversation";
/** So much is read at once, from the end backwards. */
const STEP_BYTES = 256 * 1024;
const MOST_ENTRIES = 5_000;
const LINE_BYTES = 4 << 20;
const AGAIN_MS = 2_000;

export type Entry = {
  /** Of its first byte in the log. */
  place: number;
  kind: string;
  /** In seconds since the agent began. */
  at: number;
  text: string;
  tool: string;
  callId: string;
  data: Record<string, unknown>;
  isError: boolean;
  /** Where the whole of a text is that is only begun here. */
  whole: { stream: string; offset: number; size: number } | undefined;
};

/** A call with what came of it, or something else that was said. */
export type Turn = { entry: Entry; diffs: Entry[]; result: Entry | undefined };

const decoder = new TextDecoder();
const textOf = (value: unknown) => (typeof value === "string" ? value : "");
const countOf = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};

/** A line that is no JSON, such as the notice of the log's limit, is a note. */
export function readEntry(line: string, place: number): Entry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = { kind: "note", text: line };
  }
  const { kind, at, text, tool, call_id, data, is_error, whole } = objectOf(value);
  const { stream, offset, size_bytes } = objectOf(whole);
  return {
    place,
    kind: textOf(kind) || "note",
    at: countOf(at),
    text: textOf(text),
    tool: textOf(tool),
    callId: textOf(call_id),
    data: objectOf(data),
    isError: is_error === true,
    whole:
      stream === "results"
        ? { stream: "results", offset: countOf(offset), size: countOf(size_bytes) }
        : undefined,
  };
}

/** Diffs and results stand with the call that they are of. */
export function turnsOf(entries: readonly Entry[]): Turn[] {
  const turns: Turn[] = [];
  const calls = new Map<string, Turn>();
  for (const entry of entries) {
    const call = entry.callId ? calls.get(entry.callId) : undefined;
    if (call && entry.kind === "tool-result" && !call.result) call.result = entry;
    else if (call && entry.kind === "diff") call.diffs.push(entry);
    else {
      const turn: Turn = { entry, diffs: entry.kind === "diff" ? [entry] : [], result: undefined };
      if (entry.kind === "tool-call" && entry.callId) calls.set(entry.callId, turn);
      turns.push(turn);
    }
  }
  return turns;
}

export type Source = {
  size: () => Promise<number>;
  read: (offset: number, limit: number) => Promise<Uint8Array>;
  follow: typeof followLog;
};

export class Conversation {
  entries: readonly Entry[] = [];
  /** Nothing will be said any more. */
  final = false;
  ready = false;
  error: Error | null = null;

  readonly #source: Source;
  readonly #executionId: string;
  readonly #changed: () => void;
  /** Where the entries begin; before it there are others. */
  #start = 0;
  #heard = 0;
  #life = 0;
  #stop: (() => void) | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(executionId: string, source: Source, changed: () => void) {
    this.#executionId = executionId;
    this.#source = source;
    this.#changed = changed;
  }

  /** There are entries before the first one here. */
  get more(): boolean {
    return this.#start > 0;
  }

  async open() {
    const life = this.#life;
    const size = await this.#source.size().catch((problem: Error) => problem);
    if (life !== this.#life) return;
    const failed = size instanceof Error;
    this.error = failed ? size : null;
    const later = failed && mayPass(size);
    this.ready = !later;
    if (later) this.#again = setTimeout(() => this.open(), AGAIN_MS);
    if (!failed) this.#follow(Math.max(0, size - STEP_BYTES));
    this.#changed();
  }

  close() {
    this.#life += 1;
    clearTimeout(this.#again);
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Reads what comes before. */
  async earlier() {
    const life = this.#life;
    const end = this.#start;
    const begin = Math.max(0, end - STEP_BYTES);
    const data = await this.#source.read(begin, end - begin).catch((problem: Error) => problem);
    if (life !== this.#life || end !== this.#start) return;
    if (data instanceof Error) this.error = data;
    else {
      const { found, start } = cut(data, begin);
      this.#start = start;
      this.entries = [...found, ...this.entries];
    }
    this.#changed();
  }

  #follow(offset: number) {
    // In the middle of a line: what is left of it belongs to what comes before.
    let skipping = offset > 0;
    let place = offset;
    const cutter = new LineCutter(LINE_BYTES);
    this.#start = offset;
    this.#heard = offset;
    this.#stop = this.#source.follow({
      execution_id: this.#executionId,
      stream: STREAM,
      offset,
      bytes: (data, at) => {
        const known = this.#heard - at;
        if (known < 0) return this.#anew();
        if (known >= data.length) return;
        this.#heard = at + data.length;
        const found: Entry[] = [];
        cutter.feed(known ? data.subarray(known) : data, ({ bytes, size }) => {
          if (!skipping) found.push(readEntry(decoder.decode(bytes), place));
          place += size + 1;
          if (skipping) this.#start = place;
          skipping = false;
        });
        if (found.length) this.#add(found);
      },
      ended: () => {
        this.final = true;
        this.#changed();
      },
      refused: (code, message) => {
        if (code === "offset-ahead") return this.#anew();
        this.error = new Error(message);
        this.#changed();
      },
    });
  }

  #add(found: Entry[]) {
    this.entries = [...this.entries, ...found];
    if (this.entries.length > MOST_ENTRIES) {
      this.entries = this.entries.slice(-MOST_ENTRIES / 2);
      this.#start = this.entries[0]?.place ?? this.#heard;
    }
    this.#changed();
  }

  #anew() {
    this.close();
    this.entries = [];
    this.final = false;
    void this.open();
  }
}

/** The entries of a piece that ends where one ends, but may begin in the middle of one. */
function cut(data: Uint8Array, begin: number): { found: Entry[]; start: number } {
  const found: Entry[] = [];
  let place = begin;
  let start = begin;
  new LineCutter(LINE_BYTES).feed(data, ({ bytes, size }) => {
    if (place === begin && begin > 0) start = begin + size + 1;
    else found.push(readEntry(decoder.decode(bytes), place));
    place += size + 1;
  });
  // One that is longer than the piece is left out, rather than to read on and on for it.
  return found.length || begin === 0 ? { found, start } : { found, start: begin };
}
