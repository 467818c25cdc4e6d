import { IconSearch, IconSelector } from "@tabler/icons-react";
import type { Project } from "../api/client";
import { plain } from "./plain";

// The browser's own elements: a phone paints them much sooner than Mantine's, and they are on the first page.

type SearchProps = {
  label: string;
  value: string | undefined;
  change: (value: string | undefined) => void;
};

/** What the key `/` leads to. */
export function SearchInput({ label, value, change }: SearchProps) {
  return (
    <label className="filter">
      <IconSearch size={16} aria-hidden />
      <input
        type="text"
        aria-label={label}
        placeholder={label}
        data-search
        value={value ?? ""}
        maxLength={200}
        onChange={(event) => change(event.currentTarget.value || undefined)}
      />
      <kbd aria-hidden>/</kbd>
    </label>
  );
}

type SelectProps = {
  label: string;
  /** What is shown where none is chosen. */
  any: string;
  value: string | undefined;
  /** Each value with its name. */
  data: [string, string][];
  change: (value: string | undefined) => void;
};

export function FilterSelect({ label, any, value, data, change }: SelectProps) {
  return (
    <label className="filter">
      <select
        aria-label={label}
        disabled={data.length === 0 && !value}
        value={value ?? ""}
        onChange={(event) => change(event.currentTarget.value || undefined)}
      >
        <option value="">{any}</option>
        {data.map(([one, name]) => (
          <option key={one} value={one}>
            {plain(name)}
          </option>
        ))}
      </select>
      <IconSelector size={16} aria-hidden />
    </label>
  );
}

type ProjectProps = {
  projects: Project[];
  value: string | undefined;
  change: (id: string | undefined) => void;
};

export function ProjectSelect({ projects, value, change }: ProjectProps) {
  return (
    <FilterSelect
      label="Project"
      any="Any project"
      value={value}
      data={projects.map((one) => [one.id, one.name])}
      change={change}
    />
  );
}
