import { QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiProblem, api, taken } from "./client";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => !(error instanceof ApiProblem && error.status < 500) && count < 3,
    },
  },
});

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: () => taken(api.GET("/api/v1/session")),
  staleTime: 60_000,
});

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: async () =>
    (await taken(api.GET("/api/v1/projects", { params: { query: { limit: 200 } } }))).items,
});

const STATES = ["pending", "queued", "running", "waiting", "completed", "failed", "cancelled"] as const;
export const NEWEST = 100;

/** The newest tasks of every state, and the open changes, which tell what is in review. */
export const boardQuery = (projectId: string | undefined) =>
  queryOptions({
    queryKey: ["tasks", "board", projectId ?? ""],
    queryFn: async () => {
      const query = { project_id: projectId, limit: NEWEST };
      const lists = STATES.map((state) =>
        taken(api.GET("/api/v1/tasks", { params: { query: { ...query, state } } })),
      );
      const open = taken(api.GET("/api/v1/changes", { params: { query: { ...query, state: "open" } } }));
      return {
        tasks: (await Promise.all(lists)).flatMap((page) => page.items),
        openChanges: new Set((await open).items.map((change) => change.id)),
      };
    },
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

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: async () => (await taken(api.GET("/api/v1/workers", { params: { query: { limit: 200 } } }))).items,
});
