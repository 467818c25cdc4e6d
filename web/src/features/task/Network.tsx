import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type Execution, type Project, taken } from "../../api/client";
import { useProject } from "../../api/projects";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { bytes } from "../../lib/format";
import { toast } from "../../lib/toasts";

type Host = { name: string; port: number };
type Reached = { place: string; requests: number; refused: number; bytes: number; host: Host | undefined };

const SHOWN = 30;
const HOST = /^((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?):(\d{1,5})$/i;

/** A worker's own words, which are not believed to have the right shape; the refused come first. */
export function reachedOf(facts: Record<string, unknown>): Reached[] {
  const count = (value: unknown) => (typeof value === "number" && value > 0 ? value : 0);
  const all = Object.entries(facts.network ?? {}).map(([place, counts]) => {
    const { requests, refused, sent_bytes, received_bytes } = Object(counts) as Record<string, unknown>;
    const [, name, port] = HOST.exec(place) ?? [];
    return {
      place,
      requests: count(requests),
      refused: count(refused),
      bytes: count(sent_bytes) + count(received_bytes),
      host: name ? { name, port: Number(port) } : undefined,
    };
  });
  return all.sort((a, b) => b.refused - a.refused || b.requests - a.requests).slice(0, SHOWN);
}

/** What an execution reached over the network, and what was refused, to be allowed with a click. */
export function Network({ execution }: { execution: Execution }) {
  const project = useProject(execution.project_id);
  const reached = reachedOf(execution.facts);
  const allow = useAllow(project);
  if (!reached.length) return null;
  const hosts = project?.isolation.network?.hosts ?? [];
  const allowed = ({ name, port }: Host) => hosts.some((one) => one.host === name && one.port === port);
  return (
    <section className="panel" aria-label="Network">
      <h2>Network</h2>
      <ul className="hosts">
        {reached.map(({ place, requests, refused, bytes: moved, host }) => (
          <li key={place} data-refused={refused > 0 || undefined}>
            <span className="break">{plain(place)}</span>
            <span className="quiet">
              {refused > 0 && <strong>{refused} refused</strong>}
              {refused > 0 && requests > 0 && ", "}
              {requests > 0 && `${requests} passed, ${bytes(moved)}`}
            </span>
            {refused > 0 && host && project && (
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Allow ${place}`}
                disabled={allowed(host) || allow.isPending}
                onClick={() => allow.mutate(host)}
              >
                {allowed(host) ? "Allowed" : "Allow"}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {reached.some((one) => one.refused > 0) && (
        <p className="quiet">What is allowed now, the project's next executions may reach.</p>
      )}
      <Notice error={allow.error} />
    </section>
  );
}

function useAllow(project: Project | undefined) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: ({ name, port }: Host) => {
      if (!project) throw new Error("The project was not read yet; try again.");
      const { network } = project.isolation;
      const hosts = [...(network?.hosts ?? []), { host: name, port, methods: [], paths: [] }];
      // A patch replaces all of it, so it must be of what was shown.
      return taken(
        api.PATCH("/api/v1/projects/{project_id}", {
          params: { path: { project_id: project.id }, header: { "if-match": `"${project.version}"` } },
          body: { isolation: { ...project.isolation, network: { ...network, hosts } } as never },
        }),
      );
    },
    onSuccess: (_, { name }) => toast(`${name} is allowed from the next execution on.`),
    onSettled: () => cache.invalidateQueries({ queryKey: ["projects"] }),
  });
}
