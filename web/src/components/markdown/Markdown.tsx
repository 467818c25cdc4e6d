import MarkdownIt, { type Token } from "markdown-it";
import { createElement, type ReactNode, useMemo } from "react";
import { plain } from "../plain";
import { Code } from "./Code";
import "./markdown.css";

/** More than this is shown as it was written: nobody reads it, and it would keep the page waiting. */
const MOST_CHARACTERS = 20_000;
const MOST_TOKENS = 4_000;
/** Each may begin a cell of a table, and a short text can ask for very many cells. */
const MOST_PIPES = 2_000;

/** Elements that say nothing but how their text is meant. Headings are none: the page has its own. */
const ELEMENTS = new Set("p ul ol li blockquote strong em s table thead tbody tr th td".split(" "));

const reader = new MarkdownIt({ html: false, linkify: true, maxNesting: 20 });
// Only what is written as an address is one: a file's name often ends as a domain does.
reader.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
// A character that is written by its name or number is shown as it was written, and so hides nothing.
reader.disable("entity");
reader.validateLink = (address) => /^https?:\/\//i.test(address);

/** Markdown of hostile writers: it becomes elements from the list above, and links that lead outside. */
export default function Markdown({ text }: { text: string }) {
  const nodes = useMemo(() => nodesOf(text), [text]);
  return nodes ? <div className="markdown">{nodes}</div> : <p className="text">{plain(text)}</p>;
}

function nodesOf(text: string): ReactNode[] | null {
  if (text.length > MOST_CHARACTERS || text.split("|").length > MOST_PIPES) return null;
  const written = plain(text);
  const tokens = reader.parse(written, {});
  const count = tokens.reduce((sum, { children }) => sum + 1 + (children?.length ?? 0), 0);
  return count > MOST_TOKENS || hidesWords(written, tokens) ? null : within(tokens);
}

/** An agent reads the text as it was written: whoever approves it must see every word of that.
 *
 * Definitions of links, titles and surplus cells of a table are among what is not shown otherwise. */
function hidesWords(written: string, tokens: Token[]): boolean {
  const hidden = new Map<string, number>();
  for (const word of wordsOf(written)) hidden.set(word, (hidden.get(word) ?? 0) + 1);
  for (const word of wordsOf(shownBy(tokens))) hidden.set(word, (hidden.get(word) ?? 0) - 1);
  return [...hidden.values()].some((count) => count > 0);
}

const wordsOf = (text: string) => text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

/** What all tokens show, the address of a link that is its own text once. */
function shownBy(tokens: Token[]): string {
  const shown: string[] = [];
  let isOwnText = false;
  for (const token of tokens) {
    const { type, children, content, info, markup } = token;
    if (type === "link_open") isOwnText = info === "auto" || markup === "linkify";
    if (type === "link_open" || type === "image")
      shown.push(String(token.attrGet(type === "image" ? "src" : "href")));
    if (type === "list_item_open" || type === "fence") shown.push(info);
    if (children) shown.push(shownBy(children));
    else if (!isOwnText) shown.push(content);
    if (type === "link_close") isOwnText = false;
  }
  return shown.join(" ");
}

/** The flat list in which each element is opened and closed, as a tree. */
function within(tokens: Token[]): ReactNode[] {
  let inside: ReactNode[] = [];
  const outside: { opened: Token; nodes: ReactNode[] }[] = [];
  for (const [key, token] of tokens.entries()) {
    if (token.nesting === 1) {
      outside.push({ opened: token, nodes: inside });
      inside = [];
      continue;
    }
    const around = token.nesting === -1 ? outside.pop() : undefined;
    const node = around ? element(around.opened, inside, key) : leaf(token, key);
    if (around) inside = around.nodes;
    inside.push(node);
  }
  return inside;
}

function element(token: Token, children: ReactNode[], key: number): ReactNode {
  const { tag, hidden } = token;
  if (hidden) return children;
  if (tag === "a") return <Outside key={key} address={String(token.attrGet("href"))} children={children} />;
  const start = tag === "ol" ? Number(token.attrGet("start") ?? 1) : undefined;
  // Two underlines are a name's more often than they are meant for a word.
  if (token.markup.startsWith("_")) return [token.markup, ...children, token.markup];
  const known = ELEMENTS.has(tag);
  return createElement(
    known ? tag : "p",
    { key, start, className: known ? undefined : "heading-like" },
    children,
  );
}

function leaf(token: Token, key: number): ReactNode {
  switch (token.type) {
    case "inline":
      return within(token.children ?? []);
    case "code_inline":
      return <code key={key}>{plain(token.content)}</code>;
    case "fence":
    case "code_block":
      return <Code key={key} text={token.content} label={token.info} />;
    case "hr":
      return <hr key={key} />;
    case "softbreak":
    case "hardbreak":
      return "\n";
    case "image":
      return <Picture key={key} token={token} />;
    default:
      // What an address spells by numbers is a character only now.
      return plain(token.content);
  }
}

/** Nothing is loaded from elsewhere: whoever wants to see it goes there. */
const Picture = ({ token }: { token: Token }) => (
  <Outside address={String(token.attrGet("src"))}>{plain(token.content) || "a picture"}</Outside>
);

const Outside = ({ address, children }: { address: string; children: ReactNode }) => (
  <a href={address} title={address} target="_blank" rel="noopener noreferrer">
    {children}
  </a>
);
