import { IconPlugConnectedX } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { reconnect, useConnected } from "../api/live";

/** A connection that comes back at once is no news. */
const PATIENCE_MS = 600;

export function ConnectionBanner() {
  const connected = useConnected();
  const [told, setTold] = useState(false);
  useEffect(() => {
    if (connected) return setTold(false);
    const waiting = setTimeout(() => setTold(true), PATIENCE_MS);
    return () => clearTimeout(waiting);
  }, [connected]);
  if (!told) return null;
  return (
    <div className="banner" role="status">
      <IconPlugConnectedX size={18} aria-hidden />
      <span>The connection to the coordinator is down; what you see may be old. Trying again…</span>
      <button type="button" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}
