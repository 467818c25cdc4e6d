import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { ApiProblem } from "../api/client";
import { goLive } from "../api/live";
import { sessionQuery } from "../api/session";
import { Notice } from "../components/Notice";
import { LoginPage } from "../features/login/LoginPage";
import { closeDialog, dialog, openDialog } from "../lib/dialogs";
import { listenToKeys, moveAmongRows, useKeys } from "../lib/keys";
import { useStore } from "../lib/stores";
import { ConnectionBanner, NewVersion } from "./ConnectionBanner";
import { Header } from "./Header";
import { BottomBar, SideBar } from "./Navigation";
import { Outbox } from "./Outbox";
import { PAGES } from "./pages";
import { Toasts } from "./Toasts";
import "./shell.css";

const Palette = lazy(() => import("./Palette"));
const Help = lazy(() => import("./Help"));
const CreateTask = lazy(() => import("../features/create/CreateTask"));

export function Shell() {
  const session = useQuery(sessionQuery);
  const loggedIn = session.data !== undefined;
  const loggedOut = session.error instanceof ApiProblem && session.error.status === 401;
  useEffect(() => (loggedIn && !loggedOut ? goLive() : undefined), [loggedIn, loggedOut]);
  useEffect(listenToKeys, []);
  if (loggedOut) return <LoginPage />;
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <Header name={session.data?.member_name} />
      <ConnectionBanner />
      <NewVersion />
      <Outbox />
      <div className="frame">
        <SideBar />
        <main id="content" tabIndex={-1}>
          {loggedIn ? <Outlet /> : <Notice error={session.error} />}
        </main>
      </div>
      <BottomBar />
      <Toasts />
      {loggedIn && <Keys />}
      {loggedIn && <Dialogs />}
    </>
  );
}

function Keys() {
  const navigate = useNavigate();
  useKeys("Everywhere", [
    { keys: "mod+k", does: "Search or jump to anything", run: () => openDialog({ kind: "palette" }) },
    { keys: "c", does: "New task", run: () => openDialog({ kind: "create" }) },
    { keys: "?", does: "These keys", run: () => openDialog({ kind: "help" }) },
    {
      keys: "/",
      does: "Search on this page",
      run: () => document.querySelector<HTMLElement>("[data-search]")?.focus(),
    },
    { keys: "j", does: "Next row", run: () => moveAmongRows(1) },
    { keys: "k", does: "Previous row", run: () => moveAmongRows(-1) },
    ...PAGES.map(({ to, name, key }) => ({
      keys: `g ${key}`,
      does: `Go to ${name}`,
      run: () => void navigate({ to }),
    })),
  ]);
  return null;
}

function Dialogs() {
  const open = useStore(dialog);
  return (
    <Suspense>
      {open?.kind === "palette" && <Palette close={closeDialog} />}
      {open?.kind === "help" && <Help close={closeDialog} />}
      {open?.kind === "create" && <CreateTask close={closeDialog} projectId={open.projectId} />}
    </Suspense>
  );
}
