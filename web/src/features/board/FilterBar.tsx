import { Button } from "@mantine/core";
import { useMemo } from "react";
import type { Project, Task } from "../../api/client";
import { FilterSelect, ProjectSelect, SearchInput } from "../../components/FilterInputs";
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
      <SearchInput label="Search the tasks" value={filters.q} change={(q) => change({ q })} />
      <ProjectSelect projects={projects} value={filters.project} change={(project) => change({ project })} />
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
    <FilterSelect
      label={`${name[0]?.toUpperCase()}${name.slice(1)}`}
      any={`Any ${name}`}
      value={chosen}
      data={data.map((one) => [one, one])}
      change={choose}
    />
  );
}
