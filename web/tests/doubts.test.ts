import { expect, test } from "vitest";
import type { Change } from "../src/api/client";
import { doubtsAbout } from "../src/features/change/doubts";

test("a diff that nobody has read whole is no diff without doubts", () => {
  const change = { receipt: { passed: true, commands: [{}] } } as unknown as Change;
  const looked = { read: true, cut: false, unseen: 0 };
  expect(doubtsAbout(change, 0, looked)).toEqual([]);
  expect(doubtsAbout(change, 0, { ...looked, read: false })).toEqual(["its diff was not read here"]);
  expect(doubtsAbout(change, 0, { ...looked, cut: true, unseen: 2 })).toEqual([
    "its diff is cut here",
    "2 files not marked as viewed",
  ]);
});
