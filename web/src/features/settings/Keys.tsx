import { useMutation, useQuery } from "@tanstack/react-query";
import { api, taken } from "../../api/client";
import { keysQuery, projectsQuery, queryClient } from "../../api/queries";
import { Copyable } from "../../components/Copyable";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { SureButton } from "../../components/SureButton";
import { ago, useNow } from "../../lib/format";
import { toastError } from "../../lib/toasts";

/** Keys of model providers that were sealed to workers; what they are, nobody can read here. */
export function Keys() {
  const keys = useQuery(keysQuery);
  const projects = useQuery(projectsQuery).data;
  const now = useNow(60);
  const remove = useMutation({
    mutationFn: (key_id: string) =>
      taken(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id } } })),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["keys"] }),
  });
  return (
    <section className="panel">
      <h2>Sealed keys of model providers</h2>
      <p className="quiet">
        They are sealed on your own machine to the workers that may open them, so they are added there:
      </p>
      <Copyable label="Copy the command" text="pullyard key add anthropic" />
      <Notice error={keys.error} />
      <ul className="lines">
        {keys.data?.map((key) => (
          <li key={key.id} data-row>
            <span>
              <strong>{plain(key.provider)}</strong>
              <span className="quiet">
                {key.scope === "project"
                  ? `of ${plain(projects?.find((one) => one.id === key.project_id)?.name ?? "a project")}`
                  : key.scope === "tenant"
                    ? "for everybody"
                    : "for your own tasks"}
                {`, to ${key.sealed_to.length} workers, ${ago(key.updated_at, now)}`}
              </span>
            </span>
            <SureButton
              word="Remove"
              label={`Remove the key of ${plain(key.provider)}`}
              title="Remove this key?"
              text="What runs goes on with it; what begins later does without."
              run={() => remove.mutate(key.id)}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}
