import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo } from "react";
import type { Project, Task } from "../../api/client";
import { plain } from "../../components/plain";
import { agentOf, type Filters } from "./columns";

type Props = {
  filters: Filters;
  projects: Project[];
  tasks: ReadonlyMap<string, Task> | undefined;
  byId: Map<string, Project>;
  change: (changed: Partial<Filters>) => void;
};

export function FilterBar({ filters, projects, tasks, byId, change }: Props) {
  const { agents, labels } = useMemo(() => {
    const all = [...(tasks?.values() ?? [])];
    const sorted = (names: string[]) => [...new Set(names)].filter(Boolean).sort();
    return {
      agents: sorted(all.map((task) => agentOf(task, byId.get(task.project_id)))),
      labels: sorted(all.flatMap((task) => task.labels)),
    };
  }, [tasks, byId]);
  const set = Object.values(filters).some(Boolean);
  return (
    <search className="filters">
      <TextInput
        aria-label="Search the tasks"
        placeholder="Search the tasks"
        data-search
        leftSection={<IconSearch size={16} />}
        rightSection={<kbd>/</kbd>}
        value={filters.q ?? ""}
        maxLength={200}
        onChange={(event) => change({ q: event.currentTarget.value || undefined })}
      />
      <NativeSelect
        aria-label="Project"
        value={filters.project ?? ""}
        onChange={(event) => change({ project: event.currentTarget.value || undefined })}
        data={[
          { value: "", label: "Any project" },
          ...projects.map((one) => ({ value: one.id, label: plain(one.name) })),
        ]}
      />
      <Among name="agent" all={agents} chosen={filters.agent} choose={(agent) => change({ agent })} />
      <Among name="label" all={labels} chosen={filters.label} choose={(label) => change({ label })} />
      {set && (
        <Button
          variant="subtle"
          onClick={() => change({ project: undefined, agent: undefined, label: undefined, q: undefined })}
        >
          Clear
        </Button>
      )}
    </search>
  );
}

type AmongProps = {
  name: string;
  all: string[];
  chosen: string | undefined;
  choose: (one: string | undefined) => void;
};

function Among({ name, all, chosen, choose }: AmongProps) {
  const data = chosen && !all.includes(chosen) ? [chosen, ...all] : all;
  return (
    <NativeSelect
      aria-label={`${name[0]?.toUpperCase()}${name.slice(1)}`}
      disabled={data.length === 0}
      value={chosen ?? ""}
      onChange={(event) => choose(event.currentTarget.value || undefined)}
      data={[{ value: "", label: `Any ${name}` }, ...data.map((one) => ({ value: one, label: plain(one) }))]}
    />
  );
}
