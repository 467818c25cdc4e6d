import { type KeyboardEvent, memo, type ReactNode, useMemo } from "react";
import { type Token, useTokens } from "./highlight";
import type { FileDiff, Hunk, Line } from "./parse";
import { type Part, pairs, partsOf } from "./words";
import "./diff.css";

export type Side = "before" | "after";
type Props = {
  file: FileDiff;
  split: boolean;
  /** Called with the line that somebody wants to say something of; without it nothing can be said. */
  pick?: (side: Side, line: Line) => void;
  /** What stands below a line. */
  below?: (side: Side, line: Line) => ReactNode;
};

/** The lines of one file's difference, in one column or in two. Nothing in them is anything but text. */
export const FileLines = memo(function FileLines({ file, split, pick, below }: Props) {
  const tokens = useTokens(file);
  const parts = useMemo(() => changedParts(file), [file]);
  const content = (line: Line) => <Code line={line} tokens={tokens.get(line)} parts={parts.get(line)} />;
  const shown = { split, pick, below, content };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys go from button to button in it.
    <div className="diff-lines" data-split={split} onKeyDown={amongLines}>
      {file.notes.map((note) => (
        <p key={note} className="diff-head">
          {note}
        </p>
      ))}
      {file.hunks.map((hunk, place) => (
        <HunkRows key={`${place} ${hunk.head}`} hunk={hunk} {...shown} />
      ))}
    </div>
  );
});

type RowsProps = Omit<Props, "file"> & { hunk: Hunk; content: (line: Line) => ReactNode };

function HunkRows({ hunk, split, ...rest }: RowsProps) {
  const first = hunk.lines.find((line) => line.kind === "add" || line.kind === "remove");
  const mark = (...lines: (Line | null)[]) =>
    first && lines.includes(first) ? { "data-row": "", tabIndex: rest.pick ? undefined : -1 } : {};
  return (
    <>
      {hunk.head && <p className="diff-head">{hunk.head}</p>}
      {split
        ? pairs(hunk.lines).map(({ left, right }, place) => (
            <div key={place} {...mark(left, right)}>
              <div className="diff-row">
                <Half line={left} side="before" {...rest} />
                <Half line={right} side="after" {...rest} />
              </div>
              {left && left.kind !== "same" && rest.below?.("before", left)}
              {right && <div className="diff-below">{rest.below?.("after", right)}</div>}
            </div>
          ))
        : hunk.lines.map((line, place) => (
            <div key={place} {...mark(line)}>
              <div className="diff-row" data-kind={line.kind}>
                <Numbers line={line} side={sideOf(line)} pick={rest.pick}>
                  <span data-number={line.before} />
                  <span data-number={line.after} />
                </Numbers>
                {rest.content(line)}
              </div>
              {rest.below?.(sideOf(line), line)}
            </div>
          ))}
    </>
  );
}

const sideOf = (line: Line): Side => (line.kind === "remove" ? "before" : "after");

type HalfProps = Omit<RowsProps, "hunk" | "split"> & { line: Line | null; side: Side };

function Half({ line, side, pick, content }: HalfProps) {
  if (!line) return <div className="diff-half" data-kind="none" />;
  return (
    <div className="diff-half" data-kind={line.kind}>
      <Numbers line={line} side={side} pick={pick}>
        <span data-number={line[side]} />
      </Numbers>
      {content(line)}
    </div>
  );
}

type NumbersProps = { line: Line; side: Side; pick: Props["pick"]; children: ReactNode };

function Numbers({ line, side, pick, children }: NumbersProps) {
  if (!pick || line.kind === "note") return <span className="diff-number">{children}</span>;
  return (
    <button
      type="button"
      className="diff-number"
      tabIndex={-1}
      aria-label={`Say something of ${side === "before" ? "old " : ""}line ${line[side]}`}
      onClick={() => pick(side, line)}
    >
      {children}
    </button>
  );
}

const SIGNS = { add: "+", remove: "−", same: " ", note: " " };

function Code({ line, tokens, parts }: { line: Line; tokens?: Token[]; parts?: Part[] }) {
  return (
    <code className="diff-code">
      <span className="diff-sign">{SIGNS[line.kind]}</span>
      {pieces(line.text, tokens, parts).map(({ text, name, changed }, place) => (
        <span key={place} className={name || undefined} data-changed={changed || undefined}>
          {text}
        </span>
      ))}
    </code>
  );
}

type Piece = { text: string; name: string; changed: boolean };

/** A line cut wherever its colour begins or ends, and wherever its change does. */
function pieces(text: string, tokens?: Token[], parts?: Part[]): Piece[] {
  const whole = tokens?.map(([piece]) => piece).join("") === text ? tokens : undefined;
  const colours: Token[] = whole ?? [[text, ""]];
  const changes: Part[] = parts ?? [{ text, changed: false }];
  const found: Piece[] = [];
  let [colour, change, inColour, inChange] = [0, 0, 0, 0];
  while (colour < colours.length && change < changes.length) {
    const [piece, name] = colours[colour] as Token;
    const part = changes[change] as Part;
    const length = Math.min(piece.length - inColour, part.text.length - inChange);
    if (length > 0)
      found.push({ text: piece.slice(inColour, inColour + length), name, changed: part.changed });
    inColour += length;
    inChange += length;
    if (inColour === piece.length) [colour, inColour] = [colour + 1, 0];
    if (inChange === part.text.length) [change, inChange] = [change + 1, 0];
  }
  return found;
}

/** So many changed lines of a file are compared word by word; more would keep the page waiting. */
const MOST_COMPARED = 1_000;

/** Of lines that were changed into others: which parts of them are new or gone. */
function changedParts(file: FileDiff): Map<Line, Part[]> {
  const found = new Map<Line, Part[]>();
  const changed = file.hunks
    .flatMap((hunk) => pairs(hunk.lines))
    .filter(({ left }) => left?.kind === "remove");
  for (const { left, right } of changed.slice(0, MOST_COMPARED)) {
    const both = left && right && partsOf(left.text, right.text);
    if (!both) continue;
    found.set(left, both[0]);
    found.set(right, both[1]);
  }
  return found;
}

function amongLines(event: KeyboardEvent<HTMLElement>) {
  const by = new Map([
    ["ArrowDown", 1],
    ["ArrowUp", -1],
  ]).get(event.key);
  const target = event.target as HTMLElement;
  if (!by || !target.matches("button.diff-number")) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("button.diff-number")];
  event.preventDefault();
  all[all.indexOf(target) + by]?.focus();
}
