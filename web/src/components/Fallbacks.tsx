import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Notice } from "./Notice";
import { plain } from "./plain";

export function NoSuchPage() {
  return (
    <div className="empty">
      <strong>There is nothing at this address.</strong>
      <Link to="/">Go to the board</Link>
    </div>
  );
}

/** Instead of a page until what it is about was read, and what keeps it from being read. */
export function Unread({ what, error }: { what: string; error: Error | null }) {
  // While it is asked for once more there is no error, and nothing better to show.
  const [last, setLast] = useState(error);
  if (error && error !== last) setLast(error);
  return (
    <div className="stack">
      <h1>{what}</h1>
      <Notice error={error ?? last} />
    </div>
  );
}

/** Instead of a page that can't be shown; after an update its files may have other names by now. */
export function PageBroke({ message, again }: { message: string; again: () => void }) {
  return (
    <div className="empty" role="alert">
      <strong>This page can't be shown.</strong>
      <span>{plain(message)}</span>
      <span className="row">
        <Button variant="default" onClick={again}>
          Try again
        </Button>
        <Button onClick={() => location.reload()}>Load the page anew</Button>
      </span>
    </div>
  );
}
