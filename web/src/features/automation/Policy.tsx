import { NativeSelect } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type Automation, api, taken } from "../../api/client";
import { queryClient } from "../../api/queries";
import { toast, toastError } from "../../lib/toasts";

type OnError = NonNullable<Automation["policy"]["on_error"]>;

const CHOICES: { value: OnError; label: string; about: string }[] = [
  { value: "stop", label: "Halt, and say which and why", about: "Nothing new is begun until you resume." },
  { value: "skip", label: "Go on with the next one", about: "What waits for the failed task fails with it." },
  {
    value: "resolve",
    label: "Let an agent mend the cause, and try again",
    about: "It is told of the failure. After some attempts the automation halts and asks for you.",
  },
];

/** What a failure does to the tasks behind it. */
export function Policy({ automation: { project_id, policy } }: { automation: Automation }) {
  const set = useMutation({
    mutationFn: (on_error: OnError) =>
      taken(
        api.PATCH("/api/v1/projects/{project_id}", {
          params: { path: { project_id } },
          body: { automation_policy: { ...policy, on_error } },
        }),
      ),
    onSuccess: () => toast("Saved."),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["automation", project_id] }),
  });
  const now = set.isPending ? set.variables : (policy.on_error ?? "stop");
  return (
    <section className="panel">
      <NativeSelect
        label="When a task fails for good"
        description={CHOICES.find(({ value }) => value === now)?.about}
        inputWrapperOrder={["label", "input", "description", "error"]}
        value={now}
        disabled={set.isPending}
        onChange={(event) => set.mutate(event.currentTarget.value as OnError)}
        data={CHOICES.map(({ value, label }) => ({ value, label }))}
      />
    </section>
  );
}
