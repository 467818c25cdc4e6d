import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, useCallback, useDeferredValue, useMemo, useState } from "react";
import { boardQuery } from "../../api/board";
import type { Project, Task } from "../../api/client";
import { projectsQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { Optional } from "../../components/Optional";
import { openDialog } from "../../lib/dialogs";
import { useKeys } from "../../lib/keys";
import { useTitle } from "../../lib/title";
import type { Opened } from "./CardMenu";
import { Columns } from "./Columns";
import { byColumn, type Column, type Filters, filtered } from "./columns";
import { useDrops } from "./drag";
import { FilterBar } from "./FilterBar";
import "./board.css";

// Menus are large, and wanted only after the first click.
const BulkBar = lazy(() => import("./BulkBar"));
const CardMenu = lazy(() => import("./CardMenu"));
const route = getRouteApi("/");

export function BoardPage() {
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const projects = useQuery(projectsQuery);
  const board = useQuery(boardQuery(filters.project));
  const byId = useMemo(() => new Map(projects.data?.map((one) => [one.id, one])), [projects.data]);
  const q = useDeferredValue(filters.q);
  const columns = useMemo(
    () => board.data && byColumn(filtered(board.data, byId, { ...filters, q }), board.data.openChanges),
    [board.data, byId, filters, q],
  );
  const { chosen, choose, clear } = useChoice();
  const [opened, setOpened] = useState<Opened | null>(null);
  const openMenu = useCallback(
    (task: Task, column: Column, button: HTMLElement) => setOpened({ task, column, button }),
    [],
  );
  useTitle(filters.project ? byId.get(filters.project)?.name : "Board");
  useDrops();
  useBoardKeys((id) => {
    const task = board.data?.tasks.get(id);
    if (task) choose(task);
  }, clear);
  const chosenTasks = [...chosen].flatMap((id) => board.data?.tasks.get(id) ?? []);
  return (
    <div className="stack board-page">
      <div className="heading">
        <h1>Tasks</h1>
        <Button
          leftSection={<IconPlus size={17} />}
          rightSection={
            <kbd className="on-accent" aria-hidden>
              C
            </kbd>
          }
          disabled={!projects.data?.length}
          onClick={() => openDialog({ kind: "create", projectId: filters.project })}
        >
          New task
        </Button>
      </div>
      <FilterBar
        filters={filters}
        projects={projects.data ?? []}
        tasks={board.data?.tasks}
        byId={byId}
        change={(changed) => {
          // Letters as they are typed are no places to go back to.
          void navigate({ search: { ...filters, ...changed }, replace: "q" in changed });
        }}
      />
      <Notice error={board.error ?? projects.error} />
      {board.data && <Hint empty={board.data.tasks.size === 0} projects={projects.data} filters={filters} />}
      {board.data && columns && (
        <Columns
          board={board.data}
          columns={columns}
          projects={byId}
          project={filters.project}
          chosen={chosen}
          choose={choose}
          openMenu={openMenu}
        />
      )}
      {chosenTasks.length > 0 && (
        <Optional wanted>
          <BulkBar tasks={chosenTasks} clear={clear} />
        </Optional>
      )}
      {opened && (
        <Optional wanted>
          <CardMenu opened={opened} order={columns?.get("Queued") ?? []} close={() => setOpened(null)} />
        </Optional>
      )}
    </div>
  );
}

function useChoice() {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const choose = useCallback((task: Task) => {
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(task.id)) after.add(task.id);
      return after;
    });
  }, []);
  const clear = useCallback(() => setChosen(new Set()), []);
  return { chosen, choose, clear };
}

function useBoardKeys(choose: (id: string) => void, clear: () => void) {
  const card = () => document.activeElement?.closest<HTMLElement>("[data-task]");
  useKeys("Board", [
    {
      keys: "x",
      does: "Choose the task",
      run: () => {
        const id = card()?.dataset.task;
        if (id) choose(id);
      },
    },
    { keys: ".", does: "Its actions", run: () => card()?.querySelector<HTMLElement>(".card-menu")?.click() },
    { keys: "Escape", does: "Choose none", run: clear },
  ]);
}

type HintProps = { empty: boolean; projects: Project[] | undefined; filters: Filters };

function Hint({ empty, projects, filters }: HintProps) {
  if (!empty) return null;
  if (projects?.length === 0)
    return (
      <div className="empty">
        <strong>There is no project yet.</strong>
        <span>Add a repository, see that a worker is there, and give it a first task.</span>
        <Button component={Link} to="/start">
          Set it up
        </Button>
      </div>
    );
  return (
    <div className="empty">
      <strong>There is no task yet.</strong>
      <span>Say what is wanted, and an agent works on it in a sandbox.</span>
      <Button onClick={() => openDialog({ kind: "create", projectId: filters.project })}>
        Create the first one
      </Button>
    </div>
  );
}
