import { ActionIcon, Button } from "@mantine/core";
import {
  IconArrowBarToDown,
  IconChevronDown,
  IconChevronUp,
  IconDownload,
  IconPlayerPause,
  IconSearch,
  IconTextWrap,
} from "@tabler/icons-react";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useCallback, useEffect, useRef } from "react";
import { kept, useStore } from "../../lib/stores";
import { LogRow } from "./LogRow";
import { useLogSearch } from "./search";
import { logPart, useSparseLog } from "./source";
import type { Line } from "./sparse";
import { useWindow } from "./window";
import "./log.css";

/** Lines, both included, the first being 1. */
export type Range = { first: number; last: number };

type Props = {
  executionId: string;
  stream: string;
  /** What the address names. */
  range: Range | undefined;
  choose: (range: Range) => void;
  /** Somebody reads here, and does not want to be led elsewhere by what happens next. */
  hold: () => void;
};

const wrapping = kept("log-wraps", false, (value) => typeof value === "boolean");

/** `#L10-L20` of an address. */
export function rangeOf(hash: string): Range | undefined {
  const [, from, to] = /^L(\d{1,12})(?:-L(\d{1,12}))?$/.exec(hash) ?? [];
  if (!from) return undefined;
  const ends = [Number(from), Number(to ?? from)].sort((a, b) => a - b);
  return { first: Math.max(1, ends[0] ?? 1), last: Math.max(1, ends[1] ?? 1) };
}

export const hashOf = ({ first, last }: Range) => (first === last ? `L${first}` : `L${first}-L${last}`);

/** One log of an execution, of any length, live. Give it a key of what it shows. */
export function LogView({ executionId, stream, range, choose, hold }: Props) {
  const log = useSparseLog(executionId, stream);
  const wraps = useStore(wrapping);
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const total = log?.total ?? 0;
  const view = useWindow(box, total, !range);
  const { first, last, atEnd, above, height, length } = view.lines;
  const search = useLogSearch(executionId, stream);
  const ready = log?.ready ?? false;

  // Each time, or what is looked at for long would go to make room for what is appended.
  useEffect(() => log?.want(first, last));
  // It goes there once a line is named, not as the log grows.
  useEffect(() => {
    if (ready && height && range) view.goTo(range.first);
  }, [ready, height > 0, range?.first]);
  useEffect(() => {
    if (search.line) view.goTo(search.line);
  }, [search.line]);

  useEffect(() => {
    if (ready && !view.following) hold();
  }, [ready, view.following]);

  const whole = useCallback(
    ({ offset, size }: Line) => logPart(executionId, stream, offset, size),
    [executionId, stream],
  );
  const clicked = (event: MouseEvent) => {
    const number = Number((event.target as HTMLElement).dataset.line);
    if (!number) return;
    event.preventDefault();
    const other = event.shiftKey && range ? range.first : number;
    choose({ first: Math.min(number, other), last: Math.max(number, other) });
    view.stay();
  };
  const pressed = (event: KeyboardEvent) => {
    view.stops.onKeyDown(event);
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f") {
      event.preventDefault();
      field.current?.select();
    } else if (event.key === "End") view.setFollowing(true);
  };
  const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, place) => first + place);
  const live = ready && !log?.final;
  return (
    <div className="log">
      <Head
        executionId={executionId}
        stream={stream}
        state={!ready ? "opening" : !live ? "complete" : view.following ? "live" : "paused"}
        total={total}
        follow={() => view.setFollowing(true)}
        pause={view.stay}
      >
        <Search search={search} field={field} leave={() => box.current?.focus()} />
      </Head>
      {(log?.error ?? search.error) && (
        <p className="log-error" role="alert">
          {(log?.error ?? search.error)?.message}
        </p>
      )}
      <section
        ref={box}
        className="log-box"
        data-wraps={wraps || undefined}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard.
        tabIndex={0}
        aria-label={`Log of ${stream}`}
        onScroll={view.scrolled}
        onWheel={view.stops.onWheel}
        onTouchMove={view.stops.onTouchMove}
        onKeyDown={pressed}
        onClick={clicked}
      >
        <div className="log-length" style={{ height: length }}>
          <div className="log-window" style={{ height }} data-end={atEnd || undefined}>
            <div className="log-rows" style={{ transform: `translateY(${-above}px)` }}>
              {numbers.map((number, place) => (
                <LogRow
                  // Rows are used again for other lines, which is much cheaper than new ones.
                  key={place}
                  number={number}
                  line={log?.line(number)}
                  chosen={!!range && number >= range.first && number <= range.last}
                  found={number === search.line}
                  query={search.wanted}
                  whole={whole}
                />
              ))}
            </div>
          </div>
        </div>
        {total === 0 && <p className="log-empty">{emptyWords(ready, live)}</p>}
      </section>
    </div>
  );
}

type HeadProps = Pick<Props, "executionId" | "stream"> & {
  state: "opening" | "live" | "paused" | "complete";
  total: number;
  follow: () => void;
  pause: () => void;
  children: ReactNode;
};

function Head({ executionId, stream, state, total, follow, pause, children }: HeadProps) {
  const wraps = useStore(wrapping);
  return (
    <div className="log-head">
      <span className="log-state" data-live={state === "live" || state === "paused" || undefined}>
        {state}
      </span>
      <span className="log-count">
        {total.toLocaleString("en")} {total === 1 ? "line" : "lines"}
      </span>
      {children}
      <span className="log-tools">
        <ActionIcon
          variant={wraps ? "filled" : "default"}
          size={34}
          aria-label="Wrap long lines"
          aria-pressed={wraps}
          onClick={() => wrapping.set(!wraps)}
        >
          <IconTextWrap size={18} />
        </ActionIcon>
        <ActionIcon
          component="a"
          variant="default"
          size={34}
          href={`/api/v1/executions/${executionId}/logs/${stream}/raw`}
          download={`${stream}.log`}
          aria-label="Download the raw log"
        >
          <IconDownload size={18} />
        </ActionIcon>
        <Button
          className="log-follow"
          variant="default"
          size="compact-sm"
          h={34}
          leftSection={state === "live" ? <IconPlayerPause size={16} /> : <IconArrowBarToDown size={16} />}
          onClick={state === "live" ? pause : follow}
        >
          {state === "live" ? "Pause" : state === "paused" ? "Follow" : "End"}
        </Button>
      </span>
    </div>
  );
}

const emptyWords = (ready: boolean, live: boolean) =>
  !ready ? "Opening the log…" : live ? "Waiting for the first lines…" : "This log is empty.";

type SearchProps = {
  search: ReturnType<typeof useLogSearch>;
  field: React.RefObject<HTMLInputElement | null>;
  leave: () => void;
};

function Search({ search, field, leave }: SearchProps) {
  const { query, matches, at, more, searching } = search;
  const count = matches.length
    ? `${at + 1} of ${matches.length}${more ? "+" : ""}`
    : searching || more
      ? "Searching…"
      : "Not found";
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter") search.step(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") {
      search.search("");
      leave();
    }
  };
  return (
    <search className="log-search">
      <IconSearch size={16} aria-hidden />
      <input
        ref={field}
        data-search
        type="text"
        aria-label="Search the whole log"
        placeholder="Search the whole log"
        value={query}
        maxLength={200}
        onChange={(event) => search.search(event.currentTarget.value)}
        onKeyDown={pressed}
      />
      {query && (
        <>
          <span className="log-matches" role="status">
            {count}
          </span>
          <button type="button" aria-label="Previous match" onClick={() => search.step(-1)}>
            <IconChevronUp size={16} />
          </button>
          <button type="button" aria-label="Next match" onClick={() => search.step(1)}>
            <IconChevronDown size={16} />
          </button>
        </>
      )}
    </search>
  );
}
