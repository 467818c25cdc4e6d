import { Button, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, type Change, once, taken } from "../../api/client";
import { Kept } from "../../api/outbox";
import { queryClient } from "../../api/queries";
import { Dialog } from "../../components/Dialog";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { sends } from "../../lib/keys";
import { toast } from "../../lib/toasts";
import { dropRemarks, putRemark, reviewText, useRemarks } from "./remarks";

/** Sends words and the remarks at lines to an agent, which goes on with the same branch. */
export function RequestChanges({ change, close }: { change: Change; close: () => void }) {
  const [words, setWords] = useState("");
  const [header] = useState(() => once(`Request changes of #${change.task_number}: ${change.title}`));
  const remarks = useRemarks(change.id);
  const text = reviewText(words, remarks);
  const done = (words: string) => {
    dropRemarks(change.id);
    toast(words);
    close();
  };
  const send = useMutation({
    mutationFn: () =>
      taken(
        api.POST("/api/v1/changes/{change_id}/respond", {
          params: { path: { change_id: change.id }, header },
          body: { text },
        }),
      ),
    onSuccess: (task) => done(`Task #${task.number} works on it.`),
    onError: (problem) => problem instanceof Kept && done(problem.message),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["changes"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text && !send.isPending) send.mutate();
  };
  return (
    <Dialog close={close} title="Request changes" size="lg">
      <form
        className="stack"
        onSubmit={submit}
        onKeyDown={(event) => {
          if (sends(event)) submit(event);
        }}
      >
        <Textarea
          label="What should be different?"
          description="An agent goes on with the same branch, and adds a commit to the change."
          autosize
          minRows={4}
          maxRows={14}
          maxLength={60_000}
          data-autofocus
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
        {remarks.length > 0 && (
          <ul className="sent-remarks" aria-label="Remarks at lines">
            {remarks.map((remark) => (
              <li key={`${remark.path} ${remark.side} ${remark.line}`}>
                <div>
                  <code>
                    {plain(remark.path)}:{remark.line}
                  </code>
                  <p className="text">{plain(remark.text)}</p>
                </div>
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Remove the remark on line ${remark.line}`}
                  onClick={() => putRemark(change.id, { ...remark, text: "" })}
                >
                  Remove
                </Button>
              </li>
            ))}
          </ul>
        )}
        <Notice error={send.error} />
        <div className="row dialog-end">
          <span className="quiet">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd> sends
          </span>
          <Button type="submit" loading={send.isPending} disabled={!text}>
            Send to the agent
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
