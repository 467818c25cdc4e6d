import { expect, test, vi } from "vitest";
import { LineCutter } from "../src/components/log/cutter";
import { CHUNK_LINES, CHUNKS, type Follower, LINE_CHARACTERS, SparseLog } from "../src/components/log/sparse";

const encoder = new TextEncoder();
const settled = () => new Promise<void>((done) => queueMicrotask(done));

/** A log as the server has it, whose live feed the test steers. */
class Server {
  data: Uint8Array;
  final = false;
  reads: [number, number][] = [];
  away = 0;
  status = 0;
  follower: Follower | undefined;
  from = -1;

  constructor(text: string) {
    this.data = encoder.encode(text);
  }

  read = async (first: number, last: number) => {
    this.reads.push([first, last]);
    const read = this.data;
    await settled();
    if (this.away-- > 0) throw Object.assign(new Error("away"), { status: this.status });
    const pieces = new TextDecoder().decode(read).split("\n");
    if (pieces.at(-1) === "") pieces.pop();
    let offset = 0;
    const lines = pieces.map((text, place) => {
      const size_bytes = encoder.encode(text).length;
      const line = { number: place + 1, offset, size_bytes, text, truncated: false };
      offset += size_bytes + 1;
      return line;
    });
    return { lines: lines.slice(first - 1, last), next: null, total_lines: pieces.length, final: this.final };
  };

  follow = (offset: number, follower: Follower) => {
    this.from = offset;
    this.follower = follower;
    return () => {
      this.follower = undefined;
    };
  };

  /** Appends, and sends what is new from `since` on: less than the end sends some of it again. */
  append(text: string, since = this.data.length) {
    this.data = new Uint8Array([...this.data, ...encoder.encode(text)]);
    this.follower?.bytes(this.data.slice(since), since);
  }
}

async function opened(server: Server) {
  const log = new SparseLog(server, () => {});
  await log.open();
  return log;
}

const texts = (log: SparseLog) => Array.from({ length: log.total }, (_, place) => log.line(place + 1)?.text);
const numbered = (count: number, from = 1) =>
  Array.from({ length: count }, (_, place) => `line ${place + from}\n`).join("");

test("a log that grows is read to its end, wherever its pieces are cut", async () => {
  const server = new Server("one\ntw");
  const log = await opened(server);
  expect(texts(log)).toEqual(["one", "tw"]);
  expect(server.from).toBe(4);
  server.follower?.bytes(encoder.encode("tw"), 4);
  const bytes = encoder.encode("o\n\ndreißig\r\nlast");
  for (const byte of bytes) {
    server.data = new Uint8Array([...server.data, byte]);
    server.follower?.bytes(Uint8Array.of(byte), server.data.length - 1);
  }
  expect(texts(log)).toEqual(["one", "two", "", "dreißig\r", "last"]);
  expect(log.line(5)).toMatchObject({ offset: 19, size: 4, cut: false });
  server.follower?.ended();
  expect(log.final).toBe(true);
});

test("what comes twice counts once, and a gap is read anew", async () => {
  const server = new Server("");
  const log = await opened(server);
  server.append("one\ntwo\n");
  server.append("three\n", 4);
  server.append("", 2);
  expect(texts(log)).toEqual(["one", "two", "three"]);
  server.follower?.bytes(encoder.encode("far ahead\n"), 999);
  expect(log.total).toBe(0);
  server.data = encoder.encode("one\ntwo\nthree\nfour\n");
  while (!server.follower) await settled();
  expect(texts(log)).toEqual(["one", "two", "three", "four"]);
});

test("a database that went back is read anew", async () => {
  const server = new Server(numbered(3));
  const log = await opened(server);
  server.data = encoder.encode("only this\n");
  server.follower?.refused("offset-ahead", "Subscribe from there at most.");
  while (!server.follower) await settled();
  expect(texts(log)).toEqual(["only this"]);
});

test("no more is held than may be, and what is looked at stays", async () => {
  const server = new Server(numbered(CHUNK_LINES * 3));
  const log = await opened(server);
  server.append("", server.from);
  log.want(1, 40);
  while (!log.line(1)) await settled();
  for (let round = 0; round < CHUNKS + 5; round++) {
    server.append(numbered(CHUNK_LINES, log.total + 1));
    log.want(1, 40);
    expect(log.held).toBeLessThanOrEqual(CHUNKS);
  }
  expect(log.line(1)?.text).toBe("line 1");
  expect(log.line(CHUNK_LINES * 2)).toBeUndefined();
  expect(log.line(log.total)?.text).toBe(`line ${log.total}`);
});

test("the end stays, whatever else is looked at", async () => {
  const server = new Server(numbered(CHUNK_LINES * (CHUNKS + 5)));
  const log = await opened(server);
  for (let first = 1; first < CHUNK_LINES * (CHUNKS + 3); first += CHUNK_LINES) {
    log.want(first, first);
    while (!log.line(first)) await settled();
  }
  expect(log.line(1)).toBeUndefined();
  expect(log.line(log.total)).toBeDefined();
});

test("only what is looked at last is fetched, few at a time", async () => {
  const server = new Server(numbered(CHUNK_LINES * 20));
  const log = await opened(server);
  server.reads = [];
  for (let chunk = 0; chunk < 18; chunk++) log.want(chunk * CHUNK_LINES + 1, chunk * CHUNK_LINES + 40);
  while (!log.line(17 * CHUNK_LINES + 1)) await settled();
  expect(server.reads).toEqual([
    [1, CHUNK_LINES],
    [CHUNK_LINES + 1, 2 * CHUNK_LINES],
    [17 * CHUNK_LINES + 1, 18 * CHUNK_LINES],
  ]);
});

test("an answer to what was asked before it began anew counts no more", async () => {
  const server = new Server(numbered(CHUNK_LINES * 3));
  const log = await opened(server);
  log.want(1, 40);
  server.data = encoder.encode("only this\n");
  server.follower?.refused("offset-ahead", "Subscribe from there at most.");
  while (!server.follower) await settled();
  expect(texts(log)).toEqual(["only this"]);
  expect(log.line(2)).toBeUndefined();
});

test("what could not be read is asked for again", async () => {
  const server = new Server(numbered(CHUNK_LINES * 3));
  const log = await opened(server);
  server.away = 1;
  vi.useFakeTimers();
  log.want(1, 40);
  while (!log.error) await vi.advanceTimersByTimeAsync(1);
  expect(log.line(1)).toBeUndefined();
  while (!log.line(1)) await vi.advanceTimersByTimeAsync(500);
  vi.useRealTimers();
  expect(log.error).toBeNull();
});

test.each([0, 404])("no redraw asks at once for what has failed by %i", async (status) => {
  const server = new Server(numbered(CHUNK_LINES * 3));
  const log: SparseLog = new SparseLog(server, () => server.away > 0 && log.want(1, 40));
  await log.open();
  vi.useFakeTimers();
  Object.assign(server, { away: 1_000, status, reads: [] });
  log.want(1, 40);
  await vi.advanceTimersByTimeAsync(1_900);
  expect(server.reads).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(server.reads).toHaveLength(status ? 1 : 2);
  server.away = 0;
  if (status) log.want(1, 41);
  await vi.advanceTimersByTimeAsync(2_000);
  vi.useRealTimers();
  expect(log.line(1)?.text).toBe("line 1");
});

test("a line of any length keeps its beginning alone", async () => {
  const server = new Server("");
  const log = await opened(server);
  const long = "ä".repeat(LINE_CHARACTERS * 9);
  server.append(`${long}\nnext\n`);
  expect(log.line(1)).toMatchObject({ text: "ä".repeat(LINE_CHARACTERS), size: long.length * 2, cut: true });
  expect(log.line(2)).toMatchObject({ offset: long.length * 2 + 1, text: "next", cut: false });
});

test("a cutter keeps no more of a line than it may", () => {
  const cutter = new LineCutter(4);
  const found: string[] = [];
  for (const piece of ["ab", "cdef", "gh\nx", "\n"]) {
    cutter.feed(encoder.encode(piece), ({ bytes, size }) => {
      found.push(`${new TextDecoder().decode(bytes)} ${size}`);
    });
  }
  expect(found).toEqual(["abcd 8", "x 1"]);
  expect(cutter.rest()).toBeUndefined();
});
