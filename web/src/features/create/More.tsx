import { NumberInput, TagsInput, Textarea } from "@mantine/core";
import { AGENTS } from "../../lib/agents";

/** What most tasks do without; the texts are the form's own. */
export type Wish = { priority: number | string; labels: string[]; agents: string[] };

export const NO_WISH: Wish = { priority: 0, labels: [], agents: [] };
const MOST_AGENTS = 8;

export function More({ wish, change }: { wish: Wish; change: (changed: Partial<Wish>) => void }) {
  return (
    <div className="stack">
      <Textarea
        label="Done when"
        description="One criterion a line"
        name="criteria"
        autosize
        minRows={2}
        maxRows={8}
      />
      <Textarea
        label="Files that it is about"
        description="One a line, such as shop/*.py: compared with what other work under way touches"
        name="files"
        autosize
        minRows={1}
        maxRows={8}
      />
      <NumberInput
        label="Priority"
        description="Higher runs earlier"
        value={wish.priority}
        onChange={(priority) => change({ priority })}
        min={-1000}
        max={1000}
      />
      <TagsInput
        label="Labels"
        description="What a worker must have"
        value={wish.labels}
        onChange={(labels) => change({ labels })}
        maxTags={50}
      />
      <TagsInput
        label="Agents to compare"
        description="2 to 8, such as codex or codex:MODEL: each does the task at its own cost, and you choose one"
        value={wish.agents}
        onChange={(agents) => change({ agents })}
        data={AGENTS.map(({ name }) => name).filter((name) => name !== "command")}
        maxTags={MOST_AGENTS}
        allowDuplicates
        splitChars={[]}
      />
    </div>
  );
}

/** Of an agent's name, with its model or its shell line behind a colon. */
export function candidateOf(written: string) {
  const [name = "", ...rest] = written.split(":");
  const setting = rest.join(":");
  const settings = setting ? { [name === "command" ? "command" : "model"]: setting } : {};
  return { agent: { name, settings } };
}
