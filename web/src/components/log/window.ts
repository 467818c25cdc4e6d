import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

export const LINE_PIXELS = 20;
/** Browsers know no elements that are much higher; a longer log is scrolled by more lines a pixel. */
const MOST_PIXELS = 8_000_000;
/** Room for a scrollbar below, whether there is one or not: what comes and goes would oscillate. */
const BELOW = 12;
const UP_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);

export type Lines = {
  first: number;
  last: number;
  /** The window shows the end: the last line is at its bottom. */
  atEnd: boolean;
  /** So much of the first line is above the window. */
  above: number;
  /** Of the window, and of all that the scrollbar stands for. */
  height: number;
  length: number;
};

/** Which lines of a log are in view. The scrollbar means line numbers, so wrapped lines need no measuring. */
export function useWindow(box: RefObject<HTMLDivElement | null>, total: number, followFirst: boolean) {
  const [height, setHeight] = useState(0);
  const [top, setTop] = useState(0);
  const [following, setFollowing] = useState(followFirst);
  // What moved last: a scroll event for a place that was set here says nothing new.
  const placed = useRef(-1);
  const lastTop = Math.max(0, total - height / LINE_PIXELS);

  useEffect(() => {
    const at = box.current;
    if (!at) return;
    const measure = () => setHeight(Math.max(LINE_PIXELS, at.offsetHeight - BELOW));
    const watching = new ResizeObserver(measure);
    watching.observe(at);
    measure();
    return () => watching.disconnect();
  }, [box]);

  const place = useCallback(
    (pixels: number) => {
      if (!box.current) return;
      box.current.scrollTop = pixels;
      placed.current = box.current.scrollTop;
    },
    [box],
  );

  const length = Math.min(total * LINE_PIXELS + BELOW, MOST_PIXELS);
  // As the log grows, the same line is at another place.
  useLayoutEffect(() => {
    const at = box.current;
    if (!at) return;
    const furthest = at.scrollHeight - at.clientHeight;
    if (following) place(furthest);
    else if (length === MOST_PIXELS) place((top / lastTop) * furthest);
  }, [total, height, following]);

  const scrolled = () => {
    const at = box.current;
    if (!at || Math.abs(at.scrollTop - placed.current) < 1) return;
    placed.current = -1;
    const furthest = at.scrollHeight - at.clientHeight;
    setTop(furthest > 0 ? (at.scrollTop / furthest) * lastTop : 0);
    setFollowing(at.scrollTop >= furthest - 2);
  };

  const goTo = (number: number) => {
    const at = box.current;
    const wanted = Math.min(lastTop, Math.max(0, number - 1 - Math.floor(height / LINE_PIXELS / 3)));
    setFollowing(false);
    setTop(wanted);
    if (at && lastTop > 0) place((wanted / lastTop) * (at.scrollHeight - at.clientHeight));
  };

  const rows = Math.ceil(height / LINE_PIXELS) + 1;
  const atEnd = following || top >= lastTop;
  const first = atEnd ? Math.max(1, total - rows + 1) : Math.floor(top) + 1;
  const last = Math.min(total, first + rows - 1);
  const lines: Lines = { first, last, atEnd, above: atEnd ? 0 : (top % 1) * LINE_PIXELS, height, length };

  // Whoever moves upwards means it, also while so much is appended that no scroll event gets through.
  const stops = {
    onWheel: ({ deltaY }: { deltaY: number }) => deltaY < 0 && stay(),
    onTouchMove: () => stay(),
    onKeyDown: ({ key }: { key: string }) => UP_KEYS.has(key) && stay(),
  };
  const stay = () => {
    if (!following) return;
    setTop(lastTop);
    setFollowing(false);
  };
  return { lines, following, setFollowing, goTo, scrolled, stops, stay };
}
