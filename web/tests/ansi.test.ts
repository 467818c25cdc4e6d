import { expect, test } from "vitest";
import { coloured, lastDrawing } from "../src/components/log/ansi";

const looks = (line: string) =>
  coloured(line).map(({ text, look, rgb }) => [text, look, rgb].filter((one) => one));

test.each([
  ["\x1b[31mred\x1b[0m plain", [["red", "fg-red"], [" plain"]]],
  [
    "\x1b[1;92mgood\x1b[22m still",
    [
      ["good", "bold fg-bright-green"],
      [" still", "fg-bright-green"],
    ],
  ],
  ["\x1b[38;5;9mx\x1b[39my", [["x", "fg-bright-red"], ["y"]]],
  ["\x1b[38;2;255;0;0;4mx", [["x", "underlined", "rgb"]]],
  ["\x1b[38;5;16mdark", [["dark", "rgb"]]],
  ["\x1b[8mhidden\x1b[m", [["hidden"]]],
  ["\x1b[2J\x1b[10;1Hmoved\x1b]0;title\x07 on", [["moved on"]]],
  ["\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", [["link"]]],
  ["a\u202eb\x1b[", [["a⟨U+202E⟩b"]]],
  [
    "\x1b[38;5mx\x1b[38;2;9mtail",
    [
      ["x", "fg-black"],
      ["tail", "rgb"],
    ],
  ],
])("colours of %j", (line, expected) => {
  const found = looks(line);
  // Of colours by number only that they can be read is told.
  expect(found.map((one) => one.filter((name) => !name?.startsWith("rgb")))).toEqual(
    expected.map((one) => one.filter((name) => !name.startsWith("rgb"))),
  );
});

test("no colour is too dark to be read", () => {
  for (const line of ["\x1b[38;2;0;0;0mx", "\x1b[38;5;232mx", "\x1b[38;5;17mx", "\x1b[38;2;0;0;255mx"]) {
    const parts = /(\d+) (\d+) (\d+)/.exec(coloured(line)[0]?.rgb ?? "");
    const [red = 0, green = 0, blue = 0] = (parts ?? []).slice(1).map(Number);
    expect(0.299 * red + 0.587 * green + 0.114 * blue).toBeGreaterThan(105);
  }
});

test("of a line that draws itself anew the last drawing is shown", () => {
  expect(lastDrawing("10 %\r50 %\r100 %\r")).toEqual({ text: "100 %", drawings: 2 });
  expect(lastDrawing("windows\r")).toEqual({ text: "windows", drawings: 0 });
  expect(lastDrawing("")).toEqual({ text: "", drawings: 0 });
});
