import { ActionIcon } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { lazy } from "react";
import { Optional } from "../components/Optional";
import { openDialog } from "../lib/dialogs";
import { usePainted } from "../lib/painted";

const Bell = lazy(() => import("../features/notifications/Bell"));
const You = lazy(() => import("./You"));
const COMMAND_KEY = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘" : "Ctrl";

const room = <span className="tools-room" />;

export function Header({ name }: { name: string | undefined }) {
  const painted = usePainted();
  return (
    <header className="top">
      <Link to="/" className="brand">
        <img src="/mark.svg" alt="" width="26" height="26" /> <span>Pullyard</span>
      </Link>
      {name !== undefined && (
        <div className="tools">
          <button type="button" className="search-button" onClick={() => openDialog({ kind: "palette" })}>
            <IconSearch size={17} aria-hidden />
            <span>Search or jump to</span>
            <kbd>{COMMAND_KEY} K</kbd>
          </button>
          <ActionIcon
            variant="filled"
            size={36}
            radius="md"
            aria-label="New task"
            className="top-create"
            onClick={() => openDialog({ kind: "create" })}
          >
            <IconPlus size={19} />
          </ActionIcon>
          {painted ? (
            <Optional fallback={room}>
              <Bell />
              <You name={name} />
            </Optional>
          ) : (
            room
          )}
        </div>
      )}
    </header>
  );
}
