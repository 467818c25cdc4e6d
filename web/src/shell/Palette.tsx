import { CloseButton, useMantineColorScheme } from "@mantine/core";
import {
  IconArrowRight,
  IconFolder,
  IconGitPullRequest,
  IconMoon,
  IconPlus,
  IconSearch,
  IconServer2,
  IconSquareRoundedLetterT,
  IconSun,
  type TablerIcon,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { newestTasksQuery, openChangesQuery, projectsQuery, workersQuery } from "../api/queries";
import { Dialog } from "../components/Dialog";
import { plain } from "../components/plain";
import { openDialog } from "../lib/dialogs";
import { seeker } from "../lib/search";
import { words } from "../lib/words";
import { PAGES } from "./pages";

type Found = { id: string; title: string; about: string; icon: TablerIcon; run: () => void };
const MOST = 12;

/** Finds pages, actions, tasks, open changes, projects and workers by a few letters, and goes there. */
export default function Palette({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const everything = useEverything();
  const found = useMemo(() => matching(everything, text), [everything, text]);
  const chosen = found[Math.min(place, found.length - 1)];
  useEffect(() => {
    if (chosen) list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const take = (one: Found | undefined) => {
    if (!one) return;
    close();
    one.run();
  };
  const pressed = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      setPlace((found.length + Math.min(place, found.length - 1) + by) % Math.max(1, found.length));
    } else if (event.key === "Enter") take(chosen);
  };
  return (
    <Dialog
      close={close}
      withCloseButton={false}
      size="lg"
      padding={0}
      yOffset="10vh"
      attributes={{ content: { "aria-label": "Search" } }}
    >
      <div className="palette">
        <div className="palette-top">
          <IconSearch size={20} aria-hidden />
          <input
            data-autofocus
            role="combobox"
            aria-expanded
            aria-controls={`${id}-list`}
            aria-activedescendant={chosen && `${id}-${chosen.id}`}
            aria-label="Search or jump to"
            placeholder="A page, a task or its number, a change, a project, a worker…"
            value={text}
            maxLength={200}
            onChange={(event) => {
              setText(event.currentTarget.value);
              setPlace(0);
            }}
            onKeyDown={pressed}
          />
          <CloseButton aria-label="Close" onClick={close} />
        </div>
        {/* The keyboard stays in the field, which names the chosen option. */}
        <div role="listbox" id={`${id}-list`} ref={list} aria-label="Found">
          {found.map((one) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above takes the keys.
            <div
              key={one.id}
              id={`${id}-${one.id}`}
              role="option"
              tabIndex={-1}
              aria-selected={one === chosen}
              onClick={() => take(one)}
              onPointerMove={() => setPlace(found.indexOf(one))}
            >
              <one.icon size={19} stroke={1.7} aria-hidden />
              <span className="palette-title">{plain(one.title)}</span>
              <span className="palette-about">{plain(one.about)}</span>
            </div>
          ))}
        </div>
        {found.length === 0 && <p className="palette-none">Nothing is called that.</p>}
      </div>
    </Dialog>
  );
}

function useEverything(): Found[] {
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const projects = useQuery(projectsQuery).data;
  const tasks = useQuery(newestTasksQuery).data;
  const changes = useQuery(openChangesQuery).data;
  const workers = useQuery(workersQuery).data;
  return useMemo(() => {
    const names = new Map(projects?.map((one) => [one.id, one.name]));
    return [
      {
        id: "create",
        title: "New task",
        about: "C",
        icon: IconPlus,
        run: () => openDialog({ kind: "create" }),
      },
      ...PAGES.map(({ to, name, key, icon }) => ({
        id: `page-${key}`,
        title: `Go to ${name}`,
        about: `G ${key.toUpperCase()}`,
        icon: icon ?? IconArrowRight,
        run: () => void navigate({ to }),
      })),
      ...(tasks ?? []).map((task) => ({
        id: task.id,
        title: task.title,
        about: `${names.get(task.project_id) ?? ""}#${task.number} · ${words(task.state)}`,
        icon: IconSquareRoundedLetterT,
        run: () => void navigate({ to: "/tasks/$taskId", params: { taskId: task.id } }),
      })),
      ...(changes ?? []).map((change) => ({
        id: change.id,
        title: change.title,
        about: `change of ${names.get(change.project_id) ?? ""}#${change.task_number}`,
        icon: IconGitPullRequest,
        run: () => void navigate({ to: "/changes/$changeId", params: { changeId: change.id } }),
      })),
      ...(projects ?? []).map((project) => ({
        id: project.id,
        title: project.name,
        about: "automation of the project",
        icon: IconFolder,
        run: () => void navigate({ to: "/automation/$projectId", params: { projectId: project.id } }),
      })),
      ...(workers ?? []).map((worker) => ({
        id: worker.id,
        title: worker.name,
        about: `worker, ${worker.state}`,
        icon: IconServer2,
        run: () => void navigate({ to: "/workers", hash: worker.id }),
      })),
      ...(["light", "dark"] as const).map((scheme) => ({
        id: `scheme-${scheme}`,
        title: `${scheme === "light" ? "Light" : "Dark"} colours`,
        about: "how it looks",
        icon: scheme === "light" ? IconSun : IconMoon,
        run: () => setColorScheme(scheme),
      })),
    ];
  }, [navigate, setColorScheme, projects, tasks, changes, workers]);
}

/** Those that hold every word, with the words at the beginning of the title first. */
function matching(all: Found[], text: string): Found[] {
  const sought = seeker(text);
  const first = text.trim().toLowerCase().split(/\s/)[0] ?? "";
  const rank = ({ title }: Found) => {
    const name = title.toLowerCase();
    return name.startsWith(first) ? 0 : name.includes(` ${first}`) ? 1 : 2;
  };
  const found = all.filter(({ title, about }) => sought(`${title} ${about}`));
  return (first ? found.sort((left, right) => rank(left) - rank(right)) : found).slice(0, MOST);
}
