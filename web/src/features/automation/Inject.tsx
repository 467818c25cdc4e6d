import { Button, NativeSelect, Textarea } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type DragEvent, type FormEvent, useRef, useState } from "react";
import { type Automation, api, once, taken } from "../../api/client";
import { Kept } from "../../api/outbox";
import { queryClient } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { sends } from "../../lib/keys";
import { toast } from "../../lib/toasts";

const LIST_BYTES = 256 * 1024;

/** Lines as people type them become items; what looks like a list already is left as it is. */
export function asList(text: string): string {
  if (/^\s*([-*]|\d+\.)\s*\[.?\]/m.test(text)) return text;
  const lines = text.split("\n").filter((line) => line.trim());
  return lines
    .map((line) => (/^\s/.test(line) ? line : `- [ ] ${line.replace(/^([-*]|\d+\.)\s+/, "")}`))
    .join("\n");
}

/** Puts tasks in between, typed or dropped as a file. */
export function Inject({ automation: { project_id } }: { automation: Automation }) {
  const [text, setText] = useState("");
  const [place, setPlace] = useState<"front" | "end">("front");
  const [over, setOver] = useState(false);
  const [refused, setRefused] = useState<Error | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const inject = useMutation({
    mutationFn: () =>
      taken(
        api.POST("/api/v1/projects/{project_id}/automation/inject", {
          params: { path: { project_id }, header: once(`Inject: ${text.trim().slice(0, 80)}`) },
          body: { text: asList(text), place },
        }),
      ),
    onSuccess: ({ tasks }) => {
      setText("");
      toast(tasks.length === 1 ? "Injected 1 task." : `Injected ${tasks.length} tasks.`);
      void queryClient.invalidateQueries({ queryKey: ["automation", project_id] });
      void queryClient.invalidateQueries({ queryKey: ["board"] });
    },
    onError: (problem) => {
      if (problem instanceof Kept) setText("");
    },
  });
  const take = async (dropped: File | undefined) => {
    setRefused(null);
    if (!dropped) return;
    if (dropped.size > LIST_BYTES) return setRefused(new Error("A task list has at most 256 KiB."));
    setText(await dropped.text());
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  return (
    <form
      className="panel inject"
      data-over={over}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        if (text.trim() && !inject.isPending) inject.mutate();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onKeyDown={(event) => {
        if (sends(event)) event.currentTarget.requestSubmit();
      }}
    >
      <h2>Put tasks in between</h2>
      <Textarea
        aria-label="Tasks, one a line"
        placeholder={
          "One task a line, or drop a task_lists.md here.\nIndented lines describe the task above."
        }
        autosize
        minRows={4}
        maxRows={16}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div className="row">
        <NativeSelect
          aria-label="Where"
          value={place}
          onChange={(event) => setPlace(event.currentTarget.value === "end" ? "end" : "front")}
          data={[
            { value: "front", label: "At the front" },
            { value: "end", label: "At the end" },
          ]}
        />
        <input
          ref={file}
          type="file"
          accept=".md,.markdown,.txt,text/plain,text/markdown"
          hidden
          aria-label="A task list"
          onChange={(event) => {
            void take(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
        <Button
          variant="default"
          leftSection={<IconUpload size={16} />}
          onClick={() => file.current?.click()}
        >
          Open a file
        </Button>
        <Button type="submit" className="to-right" disabled={!text.trim()} loading={inject.isPending}>
          Inject
        </Button>
      </div>
      <Notice error={refused ?? inject.error} />
      {inject.data?.warnings.map((warning) => (
        <p key={`${warning.line} ${warning.message}`} className="quiet">
          Line {warning.line}: {plain(warning.message)}
        </p>
      ))}
    </form>
  );
}
