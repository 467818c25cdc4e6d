import { common, createLowlight } from "lowlight";
import type { Asked, Token } from "./highlight";

type Node = { type: string; value?: string; children?: Node[]; properties?: { className?: unknown } };

const all = createLowlight(common);

/** The leaves of a tree by lines, each with the name of what it is. */
function flat(nodes: Node[], name: string, lines: Token[][]) {
  for (const { value, children, properties } of nodes) {
    if (children) {
      const [own] = (properties?.className as string[] | undefined) ?? [];
      flat(children, own ?? name, lines);
      continue;
    }
    for (const [place, text] of (value ?? "").split("\n").entries()) {
      if (place > 0) lines.push([]);
      if (text) lines.at(-1)?.push([text, name]);
    }
  }
}

addEventListener("message", ({ data: { id, language, text } }: MessageEvent<Asked>) => {
  const lines: Token[][] = [[]];
  if (all.registered(language)) flat(all.highlight(language, text).children as Node[], "", lines);
  postMessage({ id, lines });
});
