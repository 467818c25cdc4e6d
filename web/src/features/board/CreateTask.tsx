import { Button, Modal, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { api, type Project, taken } from "../../api/client";
import { Notice } from "../../components/Notice";

type Props = { opened: boolean; close: () => void; projects: Project[]; chosen: string | undefined };

export function CreateTask({ opened, close, projects, chosen }: Props) {
  const cache = useQueryClient();
  const form = useRef<HTMLFormElement>(null);
  const [priority, setPriority] = useState<number | string>(0);
  const create = useMutation({
    mutationFn: (fields: FormData) =>
      taken(
        api.POST("/api/v1/projects/{project_id}/tasks", {
          params: { path: { project_id: String(fields.get("project")) } },
          body: {
            title: String(fields.get("title")),
            description: String(fields.get("description")),
            priority: Number(priority) || 0,
          } as never,
        }),
      ),
    onSuccess: () => {
      cache.invalidateQueries({ queryKey: ["tasks"] });
      close();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    create.mutate(new FormData(event.currentTarget));
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="New task"
      lockScroll={false}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        ref={form}
        onSubmit={submit}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit();
        }}
        className="stack"
      >
        <NativeSelect
          label="Project"
          name="project"
          defaultValue={chosen}
          data={projects.map((one) => ({ value: one.id, label: one.name }))}
        />
        <TextInput label="Title" name="title" required maxLength={500} data-autofocus />
        <Textarea label="What is wanted" name="description" rows={6} maxLength={100_000} />
        <NumberInput
          label="Priority"
          description="Higher runs earlier"
          value={priority}
          onChange={setPriority}
          min={-1000}
          max={1000}
        />
        <Notice error={create.error} />
        <Button type="submit" loading={create.isPending}>
          Create
        </Button>
      </form>
    </Modal>
  );
}
