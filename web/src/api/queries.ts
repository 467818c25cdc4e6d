import { type Query, QueryClient, type QueryKey, queryOptions } from "@tanstack/react-query";
import { ApiProblem, api, type CostsReport, taken } from "./client";

// The first parts of the keys are what the live feed names (see stale.ts).
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was read once can be read again without a connection.
      gcTime: 24 * 3_600_000,
      networkMode: "always",
      // What goes on failing is told soon, and tried again with every heartbeat (see live.ts).
      retry: (count, error) => !(error instanceof ApiProblem && error.status < 500) && count < 1,
    },
    mutations: { networkMode: "always" },
  },
});

const PATIENCE_MS = 10_000;
/** Those that are read once more when what is under way has come. */
const due = new Set<Query>();

/** Reads anew what is shown, and marks what is only kept.
 *
 * An answer that is on its way may be older than what this is called for. To restart it each time would keep a slow
 * one from ever coming: it may come first. */
export function readAnew(queryKey: QueryKey) {
  for (const query of queryClient.getQueryCache().findAll({ queryKey })) {
    if (query.state.fetchStatus === "idle") invalidate(query);
    else if (!due.has(query)) {
      due.add(query);
      void ended(query).then(() => {
        due.delete(query);
        invalidate(query);
      });
    }
  }
}

const invalidate = (query: Query) =>
  void queryClient.invalidateQueries({ predicate: (other) => other === query });

/** Resolves however the read that is under way ends, and where it does not end in time. */
export async function ended(query: Query): Promise<void> {
  let patience: ReturnType<typeof setTimeout> | undefined;
  const waits = new Promise<void>((resolve) => {
    patience = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([query.promise, waits]).catch(() => undefined);
  clearTimeout(patience);
}

const MOST = 200;
const most = { params: { query: { limit: MOST } } };

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: async () => (await taken(api.GET("/api/v1/projects", most))).items,
});

/** The same with what changes with every task: how many wait and run, and what they have cost today. */
export const standingsQuery = queryOptions({
  ...projectsQuery,
  queryKey: ["projects", "standings"],
  placeholderData: () => queryClient.getQueryData(projectsQuery.queryKey),
});

/** The newest tasks that wait for a person. */
export const waitingQuery = queryOptions({
  queryKey: ["tasks", "list", "waiting"],
  queryFn: async () =>
    (await taken(api.GET("/api/v1/tasks", { params: { query: { state: "waiting", limit: MOST } } }))).items,
});

/** The newest tasks of all, for the search. */
export const newestTasksQuery = queryOptions({
  queryKey: ["tasks", "list", "newest"],
  queryFn: async () => (await taken(api.GET("/api/v1/tasks", most))).items,
});

/** The newest open changes. */
export const openChangesQuery = queryOptions({
  queryKey: ["changes", "list", "open"],
  queryFn: async () =>
    (await taken(api.GET("/api/v1/changes", { params: { query: { state: "open", limit: MOST } } }))).items,
});

export const taskQuery = (taskId: string) =>
  queryOptions({
    queryKey: ["tasks", taskId],
    queryFn: () => taken(api.GET("/api/v1/tasks/{task_id}", { params: { path: { task_id: taskId } } })),
  });

export const executionsQuery = (taskId: string) =>
  queryOptions({
    queryKey: ["executions", taskId],
    queryFn: async () =>
      (await taken(api.GET("/api/v1/tasks/{task_id}/executions", { params: { path: { task_id: taskId } } })))
        .items,
  });

/** The steps of an execution's workflow, each attempt, in their order. */
export const nodesQuery = (executionId: string) =>
  queryOptions({
    queryKey: ["executions", executionId, "nodes"],
    queryFn: async () => {
      const params = { path: { execution_id: executionId } };
      return (await taken(api.GET("/api/v1/executions/{execution_id}/nodes", { params }))).items;
    },
  });

/** What an execution asks, with the work so far, which lists leave out. */
export const questionQuery = (executionId: string) =>
  queryOptions({
    queryKey: ["executions", executionId, "question"],
    queryFn: () => {
      const params = { path: { execution_id: executionId } };
      return taken(api.GET("/api/v1/executions/{execution_id}/question", { params }));
    },
  });

export const changeQuery = (changeId: string) =>
  queryOptions({
    queryKey: ["changes", changeId],
    queryFn: () =>
      taken(api.GET("/api/v1/changes/{change_id}", { params: { path: { change_id: changeId } } })),
  });

export const diffQuery = (changeId: string, commit: string) =>
  queryOptions({
    queryKey: ["diff", changeId, commit],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      const params = { path: { change_id: changeId } };
      const answer = await api.GET("/api/v1/changes/{change_id}/diff", { params, parseAs: "text" });
      const text = (await taken(Promise.resolve(answer))) as unknown as string;
      return { text, truncated: answer.response.headers.get("pullyard-diff-truncated") === "true" };
    },
  });

/** The newest comparisons. */
export const comparisonsQuery = queryOptions({
  queryKey: ["comparisons", "list"],
  queryFn: async () => (await taken(api.GET("/api/v1/comparisons"))).items,
});

export const comparisonQuery = (comparisonId: string) =>
  queryOptions({
    queryKey: ["comparisons", comparisonId],
    queryFn: () =>
      taken(
        api.GET("/api/v1/comparisons/{comparison_id}", { params: { path: { comparison_id: comparisonId } } }),
      ),
  });

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: async () => (await taken(api.GET("/api/v1/workers", most))).items,
});

export type CostsBy = "day" | "project" | "agent" | "provider" | "model";

/** What this month's executions have used. */
export const costsQuery = (by: CostsBy) =>
  queryOptions({
    queryKey: ["costs", by],
    // It can also come as text, for sheets; only the format in the address asks for that.
    queryFn: async () =>
      (await taken(api.GET("/api/v1/costs", { params: { query: { by } } }))) as CostsReport,
  });

/** How much there is to do now, in all. */
export const queueQuery = queryOptions({
  queryKey: ["queue"],
  queryFn: () => taken(api.GET("/api/v1/queue")),
});

export const automationQuery = (projectId: string) =>
  queryOptions({
    queryKey: ["automation", projectId],
    queryFn: () =>
      taken(
        api.GET("/api/v1/projects/{project_id}/automation", { params: { path: { project_id: projectId } } }),
      ),
  });

export const budgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: async () => (await taken(api.GET("/api/v1/budgets", most))).items,
});

export const tenantQuery = queryOptions({
  queryKey: ["tenant"],
  queryFn: () => taken(api.GET("/api/v1/tenant")),
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: async () => (await taken(api.GET("/api/v1/keys", most))).items,
});

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: async () => (await taken(api.GET("/api/v1/tokens", most))).items,
});

export const membersQuery = queryOptions({
  queryKey: ["members"],
  queryFn: async () => (await taken(api.GET("/api/v1/members", most))).items,
});
