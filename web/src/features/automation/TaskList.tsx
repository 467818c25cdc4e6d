import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type Automation, api, taken } from "../../api/client";
import { automationQuery, queryClient } from "../../api/queries";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { ago, useNow } from "../../lib/format";
import { toastError } from "../../lib/toasts";

const SHOWN = 20;

/** The file of the repository that the automation follows, as it was read last. */
export function TaskList({ automation: { project_id, task_list: list } }: { automation: Automation }) {
  const now = useNow(15);
  const sync = useMutation({
    mutationFn: () =>
      taken(api.POST("/api/v1/projects/{project_id}/automation/sync", { params: { path: { project_id } } })),
    onSuccess: (after) => queryClient.setQueryData(automationQuery(project_id).queryKey, after),
    onError: toastError,
  });
  if (!list)
    return (
      <section className="panel">
        <h2>Task list</h2>
        <p className="quiet">
          It follows none. Write a <code>task_lists.md</code> in the repository and start the automation with
          it: every open item becomes a task.
        </p>
      </section>
    );
  return (
    <section className="panel">
      <div className="row">
        <h2>Task list</h2>
        <StateMark state={list.state} />
        <Button
          variant="default"
          size="compact-sm"
          className="to-right"
          loading={sync.isPending || list.under_way}
          onClick={() => sync.mutate()}
        >
          Read it now
        </Button>
      </div>
      <p>
        <code>{plain(list.path)}</code>
      </p>
      {list.message && <p>{plain(list.message)}</p>}
      <p className="quiet">
        {list.done} of {list.items} items done
        {list.read_at && ` · read ${ago(list.read_at, now)}`}
        {list.commit && ` at ${plain(list.commit.slice(0, 12))}`}
      </p>
      {list.warnings.slice(0, SHOWN).map((warning) => (
        <p key={`${warning.line} ${warning.message}`} className="warning">
          Line {warning.line}: {plain(warning.message)}
        </p>
      ))}
      {list.warnings.length > SHOWN && <p className="quiet">And {list.warnings.length - SHOWN} more.</p>}
    </section>
  );
}
