import { plain } from "./plain";

/** Text of a person or an agent, with what stands in backticks as code. */
export function WithCode({ text }: { text: string }) {
  return plain(text)
    .split(/`([^`\n]+)`/)
    .map((part, index) => {
      const key = `${index} ${part}`;
      return index % 2 ? <code key={key}>{part}</code> : part;
    });
}
