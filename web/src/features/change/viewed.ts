import { useMemo } from "react";
import type { FileDiff } from "../../components/diff/parse";
import { kept, useStore } from "../../lib/stores";

type Digests = Record<string, string>;

const MOST_CHANGES = 50;

/** By change, the files that somebody at this browser has looked at, as they were then. */
const viewed = kept(
  "my.viewed",
  {} as Record<string, Digests>,
  (value): value is Record<string, Digests> =>
    typeof value === "object" && value !== null && !Array.isArray(value),
);

/** A file that is another by now has not been looked at. */
export function useViewed(changeId: string) {
  const its = useStore(viewed)[changeId];
  return useMemo(
    () => ({
      has: (file: FileDiff) => its?.[file.path] === file.digest,
      mark: (file: FileDiff, seen: boolean) => {
        const { [changeId]: mine = {}, ...others } = viewed.get();
        const { [file.path]: _, ...rest } = mine;
        const newest = Object.entries(others).slice(1 - MOST_CHANGES);
        viewed.set({
          ...Object.fromEntries(newest),
          [changeId]: seen ? { ...rest, [file.path]: file.digest } : rest,
        });
      },
    }),
    [changeId, its],
  );
}

/** In two columns, where there is room for them. */
export const inColumns = kept("diff-columns", false, (value) => typeof value === "boolean");
