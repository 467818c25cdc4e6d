import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, once, taken } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { AGENTS } from "../../lib/agents";
import { commandsOf } from "../../lib/lines";
import { toast } from "../../lib/toasts";

/** The last part of an address, as a project's name. */
export function nameOf(repository: string): string {
  const last = repository.trim().replace(/\/+$/, "").split(/[/:]/).at(-1) ?? "";
  return last.replace(/\.git$/, "").replace(/[^\w.-]+/g, "-");
}

export function AddProject({ done }: { done: () => void }) {
  const [repository, setRepository] = useState("");
  const [name, setName] = useState<string | null>(null);
  const [agent, setAgent] = useState("claude-code");
  const [command, setCommand] = useState("");
  const [verify, setVerify] = useState("");
  const add = useMutation({
    mutationFn: () => {
      const settings: Record<string, never> = agent === "command" ? ({ command } as never) : {};
      const body = {
        name: (name ?? nameOf(repository)).trim(),
        repository: repository.trim(),
        agent: { name: agent, settings },
        verify_commands: commandsOf(verify),
      };
      return taken(api.POST("/api/v1/projects", { params: { header: once() }, body: body as never }));
    },
    onSuccess: (project) => {
      toast(`Added project ${project.name}.`);
      void queryClient.invalidateQueries({ queryKey: ["projects"] });
      done();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <TextInput
        label="Repository"
        description="An address that the worker reaches, such as git@host:team/shop.git or https://host/team/shop, or a path on it"
        required
        maxLength={1000}
        value={repository}
        onChange={(event) => setRepository(event.currentTarget.value)}
      />
      <TextInput
        label="Name"
        required
        maxLength={80}
        value={name ?? nameOf(repository)}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <NativeSelect
        label="Agent"
        value={agent}
        onChange={(event) => setAgent(event.currentTarget.value)}
        data={AGENTS.map((one) => ({ value: one.name, label: `${one.name}: ${one.about}` }))}
      />
      {agent === "command" && (
        <TextInput
          label="Command"
          description="A shell line; {prompt_file} is where the task stands"
          required
          value={command}
          onChange={(event) => setCommand(event.currentTarget.value)}
        />
      )}
      <Textarea
        label="Verify with"
        description="One command a line. Left empty, it is told by the repository's files."
        autosize
        minRows={2}
        placeholder="make test"
        value={verify}
        onChange={(event) => setVerify(event.currentTarget.value)}
      />
      <Notice error={add.error} />
      <div className="row">
        <Button type="submit" loading={add.isPending}>
          Add the repository
        </Button>
      </div>
    </form>
  );
}
