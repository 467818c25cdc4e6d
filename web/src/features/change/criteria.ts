import type { Change } from "../../api/client";

type Command = { argv?: string[]; outcome?: string };

const quoted = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`;

/** The command that has passed and that the criterion names, as the change's own text has it; else null. */
export function evidenceOf(criterion: string, { receipt }: Change): string | null {
  const { commands = [] } = (receipt ?? {}) as { commands?: Command[] };
  const passed = commands
    .filter(({ outcome }) => outcome === "passed")
    .map(({ argv = [] }) => argv.map(quoted).join(" "));
  return passed.find((command) => names(criterion, command)) ?? null;
}

/** As code, or as words of its own at least two long: a single word says too little. */
function names(criterion: string, command: string): boolean {
  if (criterion.includes(`\`${command}\``)) return true;
  if (!command.includes(" ")) return false;
  const [before, after] = [/[\w./-]$/, /^[\w/-]/];
  const parts = criterion.split(command);
  return parts.slice(1).some((rest, place) => !before.test(parts[place] ?? "") && !after.test(rest));
}
