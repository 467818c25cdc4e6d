import { plain } from "./plain";
import { StateMark } from "./StateMark";

type Command = { argv?: string[]; exit_code?: number | null; seconds?: number };
type Shape = { passed?: boolean; warning?: string; commit?: string; seconds?: number; commands?: Command[] };

/** Proof of verification: which commands ran on exactly which commit, and how they ended. */
export function Receipt({ receipt }: { receipt: Record<string, unknown> | null }) {
  if (!receipt) return <p className="quiet">Nothing was verified yet.</p>;
  const { passed, warning, commit, seconds, commands = [] } = receipt as Shape;
  return (
    <div className="stack">
      <div className="row">
        <StateMark state={passed ? "passed" : "not passed"} />
        <code>{(commit ?? "").slice(0, 12)}</code>
        {seconds !== undefined && <span className="quiet">{seconds.toFixed(1)} s</span>}
      </div>
      {warning && <p>{plain(warning)}</p>}
      <ul className="commands">
        {commands.map((command) => (
          <li key={JSON.stringify(command.argv)}>
            <code>{plain((command.argv ?? []).join(" "))}</code>
            <span className="quiet">
              {command.exit_code === 0 ? "passed" : `exit status ${command.exit_code ?? "none"}`},{" "}
              {(command.seconds ?? 0).toFixed(1)} s
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
