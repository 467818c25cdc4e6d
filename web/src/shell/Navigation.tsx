import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { waitingQuery } from "../api/queries";
import { PAGES } from "./pages";

export function SideBar() {
  return (
    <nav className="side" aria-label="Pages">
      <Links />
    </nav>
  );
}

/** For phones: within reach of a thumb. */
export function BottomBar() {
  return (
    <nav className="bottom" aria-label="Pages, at the bottom">
      <Links />
    </nav>
  );
}

function Links() {
  const waiting = useQuery(waitingQuery).data?.length ?? 0;
  return PAGES.map(({ to, name, icon: Icon }) => (
    <Link key={to} to={to} activeOptions={{ exact: to === "/", includeSearch: false }} className="nav-link">
      <Icon size={20} stroke={1.7} aria-hidden />
      <span>{name}</span>
      {to === "/" && waiting > 0 && (
        <span className="count" title={`${waiting} wait for you`}>
          {waiting}
          <span className="hidden"> wait for you</span>
        </span>
      )}
    </Link>
  ));
}
