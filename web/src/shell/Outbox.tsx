import { useEffect } from "react";
import { outbox, removeWaiting, sendAgain } from "../api/outbox";
import { everythingIsStale } from "../api/stale";
import { plain } from "../components/plain";
import { useStore } from "../lib/stores";

/** What was asked for without a connection, until it is sent or taken back. */
export function Outbox() {
  const entries = useStore(outbox);
  const refused = entries.filter((entry) => entry.refused).length;
  // What was shown before it was done is true now, or was refused.
  useEffect(() => {
    if (entries.length > 0) return () => everythingIsStale();
  }, [entries]);
  if (entries.length === 0) return null;
  return (
    <section aria-label="Kept on this device">
      <details className="outbox" open={refused > 0}>
        <summary>
          {refused > 0
            ? `${refused} of ${entries.length} kept on this device could not be done`
            : `${entries.length} kept on this device, to be sent once there is a connection`}
        </summary>
        <ul>
          {entries.map(({ key, what, refused: why }) => (
            <li key={key}>
              <span>
                <strong>{plain(what)}</strong>
                <span className={why ? "refused" : "quiet"}>{why ? plain(why) : "Waits to be sent"}</span>
              </span>
              <span className="row">
                {why && (
                  <button type="button" onClick={() => void sendAgain(key)}>
                    Send again
                  </button>
                )}
                <button
                  type="button"
                  aria-label={`Remove: ${plain(what)}`}
                  onClick={() => void removeWaiting(key)}
                >
                  Remove
                </button>
              </span>
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
}
