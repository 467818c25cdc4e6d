const NEWLINE = 10;

/** A line as bytes: its beginning, at most as much as is wanted, and how long the whole is. */
export type CutLine = { bytes: Uint8Array; size: number; ended: boolean };

/** Cuts a stream of bytes into lines. Of a line it keeps `most` bytes, however long it is. */
export class LineCutter {
  readonly #most: number;
  #held = new Uint8Array(0);
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Calls `take` for every line that has ended. */
  feed(data: Uint8Array, take: (line: CutLine) => void) {
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      this.#hold(data, start, end);
      take({ bytes: this.#held, size: this.#size, ended: true });
      this.#held = new Uint8Array(0);
      this.#size = 0;
      start = end + 1;
    }
    if (start < data.length) this.#hold(data, start, data.length);
  }

  /** What came after the last line end; undefined where nothing did. */
  rest(): CutLine | undefined {
    return this.#size ? { bytes: this.#held, size: this.#size, ended: false } : undefined;
  }

  #hold(data: Uint8Array, start: number, end: number) {
    const room = Math.max(0, Math.min(end - start, this.#most - this.#held.length));
    if (!this.#held.length) this.#held = data.slice(start, start + room);
    else if (room) {
      const longer = new Uint8Array(this.#held.length + room);
      longer.set(this.#held);
      longer.set(data.subarray(start, start + room), this.#held.length);
      this.#held = longer;
    }
    this.#size += end - start;
  }
}
