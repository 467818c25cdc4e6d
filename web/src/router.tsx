import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Shell } from "./Shell";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <p>There is nothing at this address. The board is at the top of the page.</p>,
});

const board = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (search: Record<string, unknown>): { project?: string } =>
    typeof search.project === "string" ? { project: search.project } : {},
  component: lazyRouteComponent(() => import("./features/board/BoardPage"), "BoardPage"),
});

const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$taskId",
  component: lazyRouteComponent(() => import("./features/task/TaskPage"), "TaskPage"),
});

const change = createRoute({
  getParentRoute: () => root,
  path: "/changes/$changeId",
  component: lazyRouteComponent(() => import("./features/change/ChangePage"), "ChangePage"),
});

const workers = createRoute({
  getParentRoute: () => root,
  path: "/workers",
  component: lazyRouteComponent(() => import("./features/workers/WorkersPage"), "WorkersPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([board, task, change, workers]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
