import { afterEach, expect, test, vi } from "vitest";
import { ago, bytes, clockOf, dollars, duration } from "../src/lib/format";

afterEach(() => {
  vi.useRealTimers();
});

test("all that show the time share one clock, which runs only while somebody looks", () => {
  vi.useFakeTimers();
  const clock = clockOf(30);
  expect(clockOf(30)).toBe(clock);
  const begun = clock.get();
  const drawn = [0, 0];
  const leave = [0, 1].map((one) =>
    clock.subscribe(() => {
      drawn[one] = (drawn[one] ?? 0) + 1;
    }),
  );
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(60_000);
  expect([drawn, clock.get() - begun]).toEqual([[2, 2], 60_000]);
  for (const one of leave) one();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(20_000);
  expect(clock.get() - begun).toBe(60_000);
  vi.advanceTimersByTime(20_000);
  expect(clock.get() - begun).toBe(100_000);
});

test("amounts and times are told as people say them", () => {
  expect([0, 4_200, 420_000, 12_345_678_900].map(dollars)).toEqual([
    "$0.00",
    "$0.0042",
    "$0.42",
    "$12,345.68",
  ]);
  expect([-5, 59, 61, 3_600, 12_000, 90_000].map(duration)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 h",
    "3 h 20 min",
    "1 d",
  ]);
  const now = Date.parse("2026-01-01T00:10:00Z");
  expect(["00:10:30", "00:09:55", "00:03:00"].map((at) => ago(`2026-01-01T${at}Z`, now))).toEqual([
    "just now",
    "just now",
    "7 min ago",
  ]);
  expect([0, 1_023, 1_024, 190 * 2 ** 30, 2 ** 60].map(bytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "190 GiB",
    "1048576 TiB",
  ]);
});
