import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect } from "react";
import { ApiProblem } from "./api/client";
import { goLive, useConnected } from "./api/live";
import { sessionQuery } from "./api/queries";
import { Notice } from "./components/Notice";
import { LoginPage } from "./features/login/LoginPage";

export function Shell() {
  const session = useQuery(sessionQuery);
  const loggedIn = session.data !== undefined;
  const loggedOut = session.error instanceof ApiProblem && session.error.status === 401;
  useEffect(() => (loggedIn && !loggedOut ? goLive() : undefined), [loggedIn, loggedOut]);
  const connected = useConnected();
  if (loggedOut) return <LoginPage />;
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/" className="brand">
          <img src="/mark.svg" alt="" width="24" height="24" /> Pullyard
        </Link>
        <nav aria-label="Pages">
          <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
            Board
          </Link>
          <Link to="/workers">Workers</Link>
        </nav>
      </header>
      {!connected && (
        <div className="banner" role="status">
          The connection to the coordinator is down; what you see may be old. Trying again…
        </div>
      )}
      <main id="content" tabIndex={-1}>
        {loggedIn ? <Outlet /> : <Notice error={session.error} />}
      </main>
    </>
  );
}
