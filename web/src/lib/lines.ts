/** What people write one a line. */

export function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** A line without signs of the shell is the command itself, another one is the shell's. None: null. */
export function commandsOf(text: string): string[][] | null {
  const commands = linesOf(text).map((line) =>
    /^[\w./=@:+ -]+$/.test(line) ? line.split(/ +/) : ["sh", "-c", line],
  );
  return commands.length > 0 ? commands : null;
}

export const textOf = (commands: string[][] | null): string =>
  (commands ?? [])
    .map((argv) => (argv[0] === "sh" && argv[1] === "-c" && argv.length === 3 ? argv[2] : argv.join(" ")))
    .join("\n");
