import { useEffect, useState } from "react";
import type { FileDiff, Line } from "./parse";

/** A piece of a line, and what it is, such as "hljs-keyword". */
export type Token = [text: string, name: string];
export type Asked = { id: number; language: string; text: string };
type Answer = { id: number; lines: Token[][] };

const MOST_LETTERS = 200_000;
/** A text that takes longer is shown in one colour. */
const PATIENCE_MS = 3_000;
const NAMES: Record<string, string> = { makefile: "makefile", dockerfile: "bash", "cmakelists.txt": "bash" };

let worker: Worker | null = null;
let lastId = 0;
const waiting = new Map<number, (lines: Token[][]) => void>();

/** In a thread of its own: a hostile text may keep that busy, and never the page. */
function ask(language: string, text: string): Promise<Token[][]> {
  worker ??= begin();
  lastId += 1;
  const id = lastId;
  worker.postMessage({ id, language, text } satisfies Asked);
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      if (!waiting.delete(id)) return;
      worker?.terminate();
      worker = null;
      for (const answer of waiting.values()) answer([]);
      waiting.clear();
      resolve([]);
    }, PATIENCE_MS);
    waiting.set(id, (lines) => {
      clearTimeout(late);
      resolve(lines);
    });
  });
}

function begin(): Worker {
  const begun = new Worker(new URL("./highlight.worker.ts", import.meta.url), { type: "module" });
  begun.addEventListener("message", ({ data: { id, lines } }: MessageEvent<Answer>) => {
    waiting.get(id)?.(lines);
    waiting.delete(id);
  });
  return begun;
}

export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const named = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
  return named ?? (name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : "");
}

/** The tokens of a file's lines; empty until they are known, and for what has none. */
export function useTokens(file: FileDiff): ReadonlyMap<Line, Token[]> {
  const [tokens, setTokens] = useState<ReadonlyMap<Line, Token[]>>(new Map());
  useEffect(() => {
    const language = languageOf(file.path);
    if (!language) return;
    let here = true;
    const known = new Map<Line, Token[]>();
    const read = async (side: "before" | "after") => {
      const lines = file.hunks.flatMap((hunk) => hunk.lines.filter((line) => line[side] !== null));
      const text = lines.map((line) => line.text).join("\n");
      if (text.length > MOST_LETTERS) return;
      for (const [place, its] of (await ask(language, text)).entries()) {
        const line = lines[place];
        if (line) known.set(line, its);
      }
    };
    void Promise.all([read("before"), read("after")]).then(() => here && setTokens(known));
    return () => {
      here = false;
    };
  }, [file]);
  return tokens;
}
