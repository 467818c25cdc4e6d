import { memo, type ReactNode } from "react";
import { bytes } from "../../lib/format";
import { coloured, lastDrawing } from "./ansi";
import type { Line } from "./sparse";

type Props = {
  number: number;
  /** Undefined while it is fetched. */
  line: Line | undefined;
  chosen: boolean;
  found: boolean;
  /** To be marked in the text. */
  query: string;
  /** Where the whole of a line is that is only begun here. */
  whole: (line: Line) => string;
};

// What a browser takes for an address may hold none but printable characters here.
const LINKS = /(https?:\/\/[!-~]*[A-Za-z0-9/_=-])/;

export const LogRow = memo(function LogRow({ number, line, chosen, found, query, whole }: Props) {
  return (
    <div className="log-row" data-chosen={chosen || undefined} data-found={found || undefined}>
      <a className="log-number" href={`#L${number}`} data-line={number} tabIndex={-1}>
        {number}
      </a>
      <span className="log-text">
        {line ? <Text line={line} query={query} /> : <span className="log-missing">…</span>}
        {line?.cut && (
          <a className="log-more" href={whole(line)} download={`line-${number}.txt`}>
            all of this line, {bytes(line.size)}
          </a>
        )}
      </span>
    </div>
  );
});

function Text({ line, query }: { line: Line; query: string }) {
  const { text, drawings } = lastDrawing(line.text);
  return (
    <>
      {drawings > 0 && (
        <span className="log-redrawn" title="Drawn anew so often; the raw log has all of them">
          ↻{drawings}{" "}
        </span>
      )}
      {coloured(text).map((piece, place) => (
        <span
          key={place}
          className={piece.look || undefined}
          style={piece.rgb ? { color: piece.rgb } : undefined}
        >
          {linked(piece.text, query)}
        </span>
      ))}
    </>
  );
}

/** Addresses of the web can be followed, and nothing else. */
function linked(text: string, query: string): ReactNode {
  if (!text.includes("://")) return marked(text, query);
  return text.split(LINKS).map((part, place) =>
    place % 2 ? (
      <a key={place} href={part} target="_blank" rel="noopener noreferrer nofollow">
        {marked(part, query)}
      </a>
    ) : (
      marked(part, query)
    ),
  );
}

function marked(text: string, query: string): ReactNode {
  if (!query) return text;
  const parts: ReactNode[] = [];
  const lower = text.toLowerCase();
  const wanted = query.toLowerCase();
  let start = 0;
  // Where small letters are longer than capital ones the places would not fit.
  if (lower.length !== text.length) return text;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, start)) {
    parts.push(text.slice(start, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    start = at + wanted.length;
  }
  return parts.length ? [...parts, text.slice(start)] : text;
}
