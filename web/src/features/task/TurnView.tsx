import {
  IconBulb,
  IconChecklist,
  IconHelpCircle,
  IconInfoCircle,
  IconMessage,
  IconReportMoney,
  IconTool,
} from "@tabler/icons-react";
import { memo, type ReactNode } from "react";
import { logPart } from "../../components/log/source";
import { Code } from "../../components/markdown/Code";
import Markdown from "../../components/markdown/Markdown";
import { plain } from "../../components/plain";
import { Unfold } from "../../components/Unfold";
import { bytes } from "../../lib/format";
import type { Entry, Turn } from "./conversation";
import { Difference, Edited, editOf } from "./Difference";
import { took } from "./Phases";

type Props = { turn: Turn; executionId: string; live: boolean };

const ICONS: Record<string, typeof IconTool> = {
  message: IconMessage,
  thought: IconBulb,
  plan: IconChecklist,
  question: IconHelpCircle,
  usage: IconReportMoney,
  "tool-call": IconTool,
  "tool-result": IconTool,
  diff: IconTool,
};
/** Names of a tool's arguments, of which the first that is there says what it is about. */
const ABOUT = [
  "file_path",
  "filePath",
  "path",
  "command",
  "argv",
  "pattern",
  "query",
  "description",
  "prompt",
];
const SHORT = 160;

/** One thing that was said or done. Agents pair new objects to the same place, so what they hold decides. */
export const TurnView = memo(
  function TurnView({ turn, executionId, live }: Props) {
    const { entry } = turn;
    const Icon = (Object.hasOwn(ICONS, entry.kind) && ICONS[entry.kind]) || IconInfoCircle;
    return (
      <article className="turn" data-kind={entry.kind} data-bad={entry.isError || undefined}>
        <Icon className="turn-icon" size={18} aria-hidden />
        <div className="turn-body">{bodyOf(turn, executionId, live)}</div>
        <span className="turn-time">{took(entry.at)}</span>
      </article>
    );
  },
  (before, after) =>
    before.turn.entry === after.turn.entry &&
    before.turn.result === after.turn.result &&
    before.turn.diffs.length === after.turn.diffs.length &&
    before.live === after.live,
);

function bodyOf(turn: Turn, executionId: string, live: boolean): ReactNode {
  const { entry } = turn;
  const steps = stepsOf(entry.data);
  if (steps) return <Plan steps={steps} />;
  switch (entry.kind) {
    case "message":
    case "plan":
    case "question":
      return <Markdown text={entry.text} />;
    case "thought":
      return (
        <Unfold summary={`Thought: ${plain(entry.text.slice(0, SHORT).split("\n")[0] ?? "")}`}>
          <Markdown text={entry.text} />
        </Unfold>
      );
    case "tool-call":
      return <Call turn={turn} executionId={executionId} live={live} />;
    case "tool-result":
      return <Result entry={entry} executionId={executionId} />;
    case "diff":
      return turn.diffs.map((diff) => <Difference key={diff.place} text={diff.text} />);
    default:
      return <p className="quiet">{plain(entry.text)}</p>;
  }
}

type PlanStep = { text: string; status: string };

/** A list of things to do among a tool's arguments, as several agents keep one. */
function stepsOf({ todos }: Record<string, unknown>): PlanStep[] | undefined {
  if (!Array.isArray(todos) || !todos.length) return undefined;
  return todos.map((one) => ({ text: String(one?.content ?? ""), status: String(one?.status ?? "") }));
}

function Plan({ steps }: { steps: PlanStep[] }) {
  return (
    <ul className="plan">
      {steps.map(({ text, status }, place) => (
        <li key={place} data-status={status}>
          <span aria-hidden>{status === "completed" ? "☑" : status === "in_progress" ? "▸" : "☐"}</span>
          <span>{plain(text)}</span>
          <span className="hidden">{plain(status)}</span>
        </li>
      ))}
    </ul>
  );
}

function Call({ turn: { entry, diffs, result }, executionId, live }: Props) {
  const edited = editOf(entry.data);
  const state = result ? (result.isError ? "failed" : "done") : live ? "running" : "no result";
  const open = edited !== undefined || diffs.length > 0 || result?.isError || state === "running";
  const summary = (
    <>
      <strong>{plain(entry.tool)}</strong> <code>{about(entry.data)}</code>{" "}
      <span className="call-state" data-state={state}>
        {state}
      </span>
    </>
  );
  return (
    <Unfold open={open} summary={summary}>
      {diffs.length > 0
        ? diffs.map((diff) => <Difference key={diff.place} text={diff.text} />)
        : edited && <Edited {...edited} />}
      {!edited && !diffs.length && <Given data={entry.data} />}
      {result && (!edited || result.isError) && <Result entry={result} executionId={executionId} />}
    </Unfold>
  );
}

function about(data: Record<string, unknown>): string {
  const value = ABOUT.map((name) => data[name]).find((one) => one !== undefined) ?? "";
  const text = plain(Array.isArray(value) ? value.join(" ") : String(value)).replaceAll("\n", " ");
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}

function Given({ data }: { data: Record<string, unknown> }) {
  if (!Object.keys(data).length) return null;
  const text = Object.entries(data)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("\n");
  return <Code text={text} />;
}

function Result({ entry, executionId }: { entry: Entry; executionId: string }) {
  const { whole } = entry;
  return (
    <>
      {entry.text && <Code text={entry.text} bad={entry.isError} />}
      {whole && (
        <a href={logPart(executionId, whole.stream, whole.offset, whole.size)} download="result.txt">
          This is only the beginning: the whole result, {bytes(whole.size)}
        </a>
      )}
    </>
  );
}
