import { plain } from "./plain";
import { StateMark } from "./StateMark";

type Tests = { passed?: number; failed?: number; skipped?: number };
type Command = {
  argv?: string[];
  exit_code?: number | null;
  seconds?: number;
  outcome?: string;
  tests?: Tests | null;
  flaky?: boolean;
};
type Shape = {
  passed?: boolean;
  warning?: string;
  commit?: string;
  seconds?: number;
  commands?: Command[];
  sandbox?: { name?: string };
  envelope?: object | null;
};

/** Proof of verification: which commands ran on exactly which commit, and how they ended. */
export function Receipt({ receipt }: { receipt: Record<string, unknown> | null }) {
  if (!receipt) return <p className="quiet">Nothing was verified yet.</p>;
  const { passed, warning, commit, seconds, commands = [], sandbox, envelope } = receipt as Shape;
  return (
    <div className="stack">
      <div className="row">
        <StateMark state={passed ? "passed" : "not passed"} />
        <code>{(commit ?? "").slice(0, 12)}</code>
        {seconds !== undefined && <span className="quiet">{seconds.toFixed(1)} s</span>}
        {sandbox?.name && <span className="quiet">{plain(sandbox.name)}</span>}
        <span className="quiet">{envelope ? "signed" : "not signed"}</span>
      </div>
      {warning && <p>{plain(warning)}</p>}
      <ul className="commands">
        {commands.map((command) => (
          <li key={JSON.stringify(command.argv)}>
            <code>{plain((command.argv ?? []).join(" "))}</code>
            <span className="quiet">
              {ending(command)}, {(command.seconds ?? 0).toFixed(1)} s
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Such as "passed, flaky, 12 passed, 1 skipped". */
function ending({ outcome, exit_code, flaky, tests }: Command): string {
  const word =
    exit_code === 0
      ? "passed"
      : outcome === "failed" || !outcome
        ? `exit status ${exit_code ?? "none"}`
        : outcome;
  const counts = tests ? countsOf(tests) : [];
  return [plain(word), ...(flaky ? ["flaky"] : []), ...counts].join(", ");
}

function countsOf({ passed = 0, failed = 0, skipped = 0 }: Tests): string[] {
  const all: [string, number][] = [
    ["passed", passed],
    ["failed", failed],
    ["skipped", skipped],
  ];
  return all.filter(([, count]) => count > 0).map(([word, count]) => `${count} ${word}`);
}
