import { NativeSelect, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import type { Project } from "../api/client";
import { plain } from "./plain";

type SearchProps = {
  label: string;
  value: string | undefined;
  change: (value: string | undefined) => void;
};

/** What the key `/` leads to. */
export function SearchInput({ label, value, change }: SearchProps) {
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      data-search
      leftSection={<IconSearch size={16} />}
      rightSection={<kbd>/</kbd>}
      value={value ?? ""}
      maxLength={200}
      onChange={(event) => change(event.currentTarget.value || undefined)}
    />
  );
}

type ProjectProps = {
  projects: Project[];
  value: string | undefined;
  change: (id: string | undefined) => void;
};

export function ProjectSelect({ projects, value, change }: ProjectProps) {
  return (
    <NativeSelect
      aria-label="Project"
      value={value ?? ""}
      onChange={(event) => change(event.currentTarget.value || undefined)}
      data={[
        { value: "", label: "Any project" },
        ...projects.map((one) => ({ value: one.id, label: plain(one.name) })),
      ]}
    />
  );
}
