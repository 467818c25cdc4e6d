import { IconPlugConnectedX, IconRefresh } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { reconnect, useOfflineSince } from "../api/live";
import { newVersion, takeNewVersion } from "../lib/install";
import { useStore } from "../lib/stores";

/** A connection that comes back at once is no news. */
const PATIENCE_MS = 600;
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function moment(at: number): string {
  const today = new Date(at).toDateString() === new Date().toDateString();
  return (today ? time : dayAndTime).format(at);
}

export function ConnectionBanner() {
  const since = useOfflineSince();
  const [told, setTold] = useState(false);
  const connected = since === null;
  useEffect(() => {
    if (connected) return setTold(false);
    const waiting = setTimeout(() => setTold(true), PATIENCE_MS);
    return () => clearTimeout(waiting);
  }, [connected]);
  if (!told || connected) return null;
  return (
    <div className="banner" role="status">
      <IconPlugConnectedX size={18} aria-hidden />
      <span>Offline since {moment(since)}: you see what was known then. Trying again…</span>
      <button type="button" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}

/** The pages change when somebody says so, and not under their hands. */
export function NewVersion() {
  const there = useStore(newVersion);
  if (!there) return null;
  return (
    <div className="banner news" role="status">
      <IconRefresh size={18} aria-hidden />
      <span>Pullyard was updated.</span>
      <button type="button" onClick={takeNewVersion}>
        Load the new version
      </button>
    </div>
  );
}
