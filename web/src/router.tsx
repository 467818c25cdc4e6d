import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { boardQuery } from "./api/board";
import { executionsQuery, openChangesQuery, projectsQuery, queryClient, taskQuery } from "./api/queries";
import { sessionQuery } from "./api/session";
import { NoSuchPage, PageBroke } from "./components/Fallbacks";
import { BoardPage } from "./features/board/BoardPage";
import { Shell } from "./shell/Shell";

const root = createRootRoute({
  // Asked for together with what the page shows, and not before it.
  loader: () => {
    void queryClient.prefetchQuery(sessionQuery);
  },
  component: Shell,
  notFoundComponent: NoSuchPage,
});

const text = (value: unknown) =>
  typeof value === "string" ? value || undefined : typeof value === "number" ? String(value) : undefined;

export type BoardSearch = { project?: string; agent?: string; label?: string; q?: string };

const board = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (search: Record<string, unknown>): BoardSearch => ({
    project: text(search.project),
    agent: text(search.agent),
    label: text(search.label),
    q: text(search.q),
  }),
  loaderDeps: ({ search }) => ({ project: search.project }),
  loader: ({ deps }) => {
    void queryClient.prefetchQuery(boardQuery(deps.project));
    void queryClient.prefetchQuery(projectsQuery);
  },
  // The page that most begin with: its code comes with the shell, and costs no second way.
  component: BoardPage,
});

export type TaskSearch = { try?: string; view?: "conversation"; phase?: string };

const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$taskId",
  validateSearch: (search: Record<string, unknown>): TaskSearch => ({
    try: text(search.try),
    view: search.view === "conversation" ? "conversation" : undefined,
    phase: text(search.phase),
  }),
  // Asked for while the page's own code is on its way.
  loader: ({ params }) => {
    void queryClient.prefetchQuery(taskQuery(params.taskId));
    void queryClient.prefetchQuery(executionsQuery(params.taskId));
  },
  component: lazyRouteComponent(() => import("./features/task/TaskPage"), "TaskPage"),
});

export type ReviewSearch = { project?: string; show?: string; q?: string };

const review = createRoute({
  getParentRoute: () => root,
  path: "/review",
  validateSearch: (search: Record<string, unknown>): ReviewSearch => ({
    project: text(search.project),
    show: text(search.show),
    q: text(search.q),
  }),
  loader: () => {
    void queryClient.prefetchQuery(openChangesQuery);
  },
  component: lazyRouteComponent(() => import("./features/review/ReviewPage"), "ReviewPage"),
});

const comparison = createRoute({
  getParentRoute: () => root,
  path: "/comparisons/$comparisonId",
  component: lazyRouteComponent(() => import("./features/comparison/ComparisonPage"), "ComparisonPage"),
});

const change = createRoute({
  getParentRoute: () => root,
  path: "/changes/$changeId",
  component: lazyRouteComponent(() => import("./features/change/ChangePage"), "ChangePage"),
});

const automations = createRoute({
  getParentRoute: () => root,
  path: "/automation",
  component: lazyRouteComponent(() => import("./features/automation/AutomationsPage"), "AutomationsPage"),
});

const automation = createRoute({
  getParentRoute: () => root,
  path: "/automation/$projectId",
  component: lazyRouteComponent(() => import("./features/automation/AutomationPage"), "AutomationPage"),
});

const workers = createRoute({
  getParentRoute: () => root,
  path: "/workers",
  component: lazyRouteComponent(() => import("./features/workers/WorkersPage"), "WorkersPage"),
});

const costs = createRoute({
  getParentRoute: () => root,
  path: "/costs",
  component: lazyRouteComponent(() => import("./features/costs/CostsPage"), "CostsPage"),
});

const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./features/settings/SettingsPage"), "SettingsPage"),
});

const start = createRoute({
  getParentRoute: () => root,
  path: "/start",
  component: lazyRouteComponent(() => import("./features/start/StartPage"), "StartPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    board,
    task,
    review,
    change,
    comparison,
    automations,
    automation,
    workers,
    costs,
    settings,
    start,
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: ({ error, reset }: ErrorComponentProps) => (
    <PageBroke message={error instanceof Error ? error.message : String(error)} again={reset} />
  ),
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
