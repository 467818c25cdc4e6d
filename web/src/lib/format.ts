import { useSyncExternalStore } from "react";
import { type Store, store } from "./stores";

/** Millionths of a dollar as "$0.42"; below a cent with four digits, so that nothing looks free. */
export function dollars(micros: number): string {
  const value = micros / 1e6;
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 4 : 2;
  return value.toLocaleString("en", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Such as "45 s", "7 min", "3 h 20 min", "12 d". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** How long ago, such as "now", "7 min ago". */
export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000;
  return seconds < 10 ? "just now" : `${duration(seconds)} ago`;
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, count > 0 ? Math.floor(Math.log2(count) / 10) : 0);
  const value = count / 2 ** (10 * power);
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

type Clock = Pick<Store<number>, "get" | "subscribe">;

const clocks = new Map<number, Clock>();

/** One for all that show the time, so that a list of hundreds is drawn anew once. */
export function clockOf(seconds: number): Clock {
  const known = clocks.get(seconds);
  if (known) return known;
  const time = store(Date.now());
  let watchers = 0;
  let ticking: ReturnType<typeof setInterval> | undefined;
  const tick = () => time.set(Date.now());
  const clock: Clock = {
    get: () => {
      // Nobody has looked at it for long.
      if (!watchers && Date.now() - time.get() > seconds * 1000) tick();
      return time.get();
    },
    subscribe: (watcher) => {
      watchers += 1;
      ticking ??= setInterval(tick, seconds * 1000);
      const leave = time.subscribe(watcher);
      return () => {
        leave();
        watchers -= 1;
        if (watchers) return;
        clearInterval(ticking);
        ticking = undefined;
      };
    },
  };
  clocks.set(seconds, clock);
  return clock;
}

/** The time, a new one every `seconds`. */
export function useNow(seconds: number): number {
  const { subscribe, get } = clockOf(seconds);
  return useSyncExternalStore(subscribe, get);
}
