import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { plain } from "./plain";

export function NoSuchPage() {
  return (
    <div className="empty">
      <strong>There is nothing at this address.</strong>
      <Link to="/">Go to the board</Link>
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
