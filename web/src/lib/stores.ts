import { useSyncExternalStore } from "react";

/** A value outside of React that components may read; writing it renders those that do. */
export type Store<T> = {
  get: () => T;
  set: (value: T) => void;
  subscribe: (watcher: () => void) => () => void;
};

export function store<T>(first: T): Store<T> {
  let value = first;
  const watchers = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const watcher of watchers) watcher();
    },
    subscribe: (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function useStore<T>({ subscribe, get }: Store<T>): T {
  return useSyncExternalStore(subscribe, get);
}

const PREFIX = "pullyard.";
/** So begin the names of what is of one person and not of the browser. */
const MINE = "my.";

/** A store that this browser remembers. What can't be read back is the first value again. */
export function kept<T>(name: string, first: T, fits: (value: unknown) => value is T): Store<T> {
  const key = PREFIX + name;
  const inner = store(read(key, first, fits));
  return {
    ...inner,
    set: (value) => {
      inner.set(value);
      try {
        localStorage.setItem(key, JSON.stringify(value));
      } catch {
        // A full or forbidden storage costs only the remembering.
      }
    },
  };
}

/** Removes what is of one person. The pages hold it in memory until they are loaded anew. */
export function forgetMine() {
  try {
    for (const key of Object.keys(localStorage))
      if (key.startsWith(PREFIX + MINE)) localStorage.removeItem(key);
  } catch {
    // What is forbidden keeps nothing.
  }
}

function read<T>(key: string, first: T, fits: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    return fits(value) ? value : first;
  } catch {
    return first;
  }
}
