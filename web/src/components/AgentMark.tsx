import { plain } from "./plain";

const TONES = 6;

/** Two letters in a colour that is always the same for the same agent, with its name for whoever points at it. */
export function AgentMark({ name }: { name: string }) {
  const parts = plain(name).split(/[^\p{L}\p{N}]+/u);
  const letters =
    parts.length > 1 ? `${parts[0]?.[0] ?? ""}${parts[1]?.[0] ?? ""}` : (parts[0] ?? "").slice(0, 2);
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  return (
    <span className="agent-mark" data-tone={sum % TONES} title={`Agent: ${plain(name)}`}>
      <span aria-hidden>{letters.toUpperCase()}</span>
      <span className="hidden">Agent {plain(name)}</span>
    </span>
  );
}
