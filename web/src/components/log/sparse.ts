import { mayPass } from "../../lib/problems";
import { LineCutter } from "./cutter";

/** A log of any length: of its lines only those near to what is looked at, and the newest, are here. */

export const CHUNK_LINES = 500;
export const CHUNKS = 60;
/** Of a line; the rest is behind its link. */
export const LINE_CHARACTERS = 2_000;
/** Nobody needs what was scrolled past while it is fetched, so few are fetched at a time. */
const READS_AT_ONCE = 2;
const AGAIN_MS = 2_000;
/** Of UTF-8, which takes at most four a character. */
const LINE_BYTES = LINE_CHARACTERS * 4;

/** `offset` and `size` are in bytes of the log; `cut`: the text is only the beginning. */
export type Line = { number: number; offset: number; size: number; text: string; cut: boolean };

/** The server's answer, in the names of its API. */
export type ReadLines = {
  lines: { number: number; offset: number; size_bytes: number; text: string; truncated: boolean }[];
  next: number | null;
  total_lines: number;
  final: boolean;
};

export type Follower = {
  bytes: (data: Uint8Array, offset: number) => void;
  ended: () => void;
  refused: (code: string, message: string) => void;
};

export type Source = {
  /** Lines by their numbers, both included. */
  read: (first: number, last: number) => Promise<ReadLines>;
  /** What is appended from the byte `offset` on, over every reconnect. Returns what stops it. */
  follow: (offset: number, follower: Follower) => () => void;
};

type Chunk = { lines: Line[]; used: number };

const chunkOf = (number: number) => Math.floor((number - 1) / CHUNK_LINES);
const decoder = new TextDecoder();

export class SparseLog {
  /** How many lines there are now, one that has no end yet included. */
  total = 0;
  /** Nothing will be appended any more. */
  final = false;
  /** The first answer is here. */
  ready = false;
  /** What kept the last read from its lines; a later one may do. */
  error: Error | null = null;

  readonly #source: Source;
  readonly #changed: () => void;
  readonly #chunks = new Map<number, Chunk>();
  readonly #reading = new Set<number>();
  #wanted: [number, number] = [1, 0];
  #clock = 0;
  #cutter = new LineCutter(LINE_BYTES);
  /** Of the line that is being appended to: its number and the byte it begins at. */
  #number = 1;
  #offset = 0;
  /** Up to which byte the live feed was heard. */
  #heard = 0;
  #stop: (() => void) | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  /** After a failed read none is made: until its time comes or, where it was refused, others are wanted. */
  #paused: "failed" | "refused" | undefined;
  /** Grows when it ends or begins anew: answers to what was asked before count no more. */
  #life = 0;

  /** `changed` is called after every change, also many times at once. */
  constructor(source: Source, changed: () => void) {
    this.#source = source;
    this.#changed = changed;
  }

  async open() {
    const life = this.#life;
    try {
      const { total_lines } = await this.#source.read(1, 1);
      const start = chunkOf(Math.max(1, total_lines)) * CHUNK_LINES + 1;
      const tail = await this.#source.read(start, start + 4 * CHUNK_LINES - 1);
      if (life === this.#life) this.#begin(tail);
    } catch (problem) {
      if (life === this.#life) this.#failed(problem as Error, () => this.open());
    }
  }

  close() {
    this.#life += 1;
    clearTimeout(this.#again);
    this.#paused = undefined;
    this.#stop?.();
    this.#stop = undefined;
  }

  line(number: number): Line | undefined {
    return this.#chunks.get(chunkOf(number))?.lines[(number - 1) % CHUNK_LINES];
  }

  /** These lines are looked at: they stay, and what is missing of them is fetched. */
  want(first: number, last: number) {
    const wanted: [number, number] = [Math.max(1, first), Math.min(last, this.total)];
    const others = wanted.some((end, place) => end !== this.#wanted[place]);
    if (others && this.#paused === "refused") this.#paused = undefined;
    this.#wanted = wanted;
    for (let index = chunkOf(this.#wanted[0]); index <= chunkOf(this.#wanted[1]); index++) {
      const chunk = this.#chunks.get(index);
      if (chunk) chunk.used = ++this.#clock;
    }
    this.#pump();
  }

  /** How many chunks are held; for those who check the bound. */
  get held(): number {
    return this.#chunks.size;
  }

  #begin(tail: ReadLines) {
    this.ready = true;
    this.error = null;
    this.#put(tail);
    const last = tail.lines.at(-1);
    // Of what is live the last line may have grown since: it is heard anew from its first byte.
    this.#number = last?.number ?? 1;
    this.#offset = last?.offset ?? 0;
    this.#heard = this.#offset;
    this.#cutter = new LineCutter(LINE_BYTES);
    this.total = Math.max(this.total, last?.number ?? 0);
    if (tail.final && tail.next === null) {
      this.final = true;
      this.total = tail.total_lines;
    } else this.#follow();
    this.#changed();
  }

  #follow() {
    this.#stop = this.#source.follow(this.#heard, {
      bytes: (data, offset) => this.#append(data, offset),
      ended: () => {
        this.final = true;
        this.#changed();
      },
      refused: (code, message) => {
        // The database is older than what was read here: begin anew.
        if (code === "offset-ahead") this.#anew();
        else this.#failed(new Error(message));
      },
    });
  }

  #append(data: Uint8Array, offset: number) {
    const known = this.#heard - offset;
    if (known >= data.length && data.length) return;
    if (known < 0) {
      this.#anew();
      return;
    }
    this.#heard = offset + data.length;
    this.#cutter.feed(known ? data.subarray(known) : data, ({ bytes, size }) => {
      this.#set(this.#number, this.#offset, bytes, size);
      this.#number += 1;
      this.#offset += size + 1;
    });
    const rest = this.#cutter.rest();
    if (rest) this.#set(this.#number, this.#offset, rest.bytes, rest.size);
    this.total = Math.max(this.total, rest ? this.#number : this.#number - 1);
    this.#evict();
    this.#changed();
  }

  #anew() {
    this.close();
    this.#chunks.clear();
    this.#reading.clear();
    this.total = 0;
    this.ready = false;
    this.final = false;
    void this.open();
  }

  #set(number: number, offset: number, bytes: Uint8Array, size: number) {
    const text = decoder.decode(bytes);
    const cut = bytes.length < size || text.length > LINE_CHARACTERS;
    this.#place({ number, offset, size, text: text.slice(0, LINE_CHARACTERS), cut });
  }

  #put(answer: ReadLines) {
    for (const { number, offset, size_bytes, text, truncated } of answer.lines) {
      const cut = truncated || text.length > LINE_CHARACTERS;
      this.#place({ number, offset, size: size_bytes, text: text.slice(0, LINE_CHARACTERS), cut });
    }
    this.#evict();
  }

  #place(line: Line) {
    const index = chunkOf(line.number);
    let chunk = this.#chunks.get(index);
    if (!chunk) {
      chunk = { lines: [], used: ++this.#clock };
      this.#chunks.set(index, chunk);
    }
    chunk.lines[(line.number - 1) % CHUNK_LINES] = line;
  }

  #evict() {
    while (this.#chunks.size > CHUNKS) {
      let oldest = -1;
      let used = Number.POSITIVE_INFINITY;
      for (const [index, chunk] of this.#chunks) {
        if (chunk.used < used && index !== chunkOf(this.#number)) [oldest, used] = [index, chunk.used];
      }
      this.#chunks.delete(oldest);
    }
  }

  #pump() {
    const [first, last] = this.#wanted;
    if (!this.ready || this.#paused) return;
    for (let index = chunkOf(first); index <= chunkOf(last); index++) {
      if (this.#reading.size >= READS_AT_ONCE) return;
      const missing = this.#missing(index);
      if (missing && !this.#reading.has(index)) void this.#fetch(index, ...missing);
    }
  }

  /** The first and the last line that are not here, of those of a chunk that there are. */
  #missing(index: number): [number, number] | undefined {
    const first = index * CHUNK_LINES + 1;
    let last = Math.min(first + CHUNK_LINES - 1, this.total);
    let begin = first;
    while (begin <= last && this.line(begin)) begin++;
    while (last > begin && this.line(last)) last--;
    return begin <= last ? [begin, last] : undefined;
  }

  async #fetch(index: number, first: number, last: number) {
    const life = this.#life;
    this.#reading.add(index);
    const answer = await this.#source.read(first, last).catch((problem: Error) => problem);
    if (life !== this.#life) return;
    this.#reading.delete(index);
    if (answer instanceof Error) this.#failed(answer, () => this.#pump());
    else if (!answer.lines.length) this.#anew();
    else {
      this.error = null;
      this.#put(answer);
      this.#changed();
      this.#pump();
    }
  }

  /** `again` is tried later, where the same thing may do then. */
  #failed(problem: Error, again?: () => void) {
    this.error = problem;
    const refused = !mayPass(problem);
    if (again) this.#paused = refused ? "refused" : "failed";
    if (again && !refused) {
      clearTimeout(this.#again);
      this.#again = setTimeout(() => {
        this.#paused = undefined;
        again();
      }, AGAIN_MS);
    }
    // Whoever hears of it may want lines at once.
    this.#changed();
  }
}
