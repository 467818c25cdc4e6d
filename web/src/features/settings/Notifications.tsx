import { Checkbox } from "@mantine/core";
import { useState } from "react";
import { muted, onDesk } from "../../api/notifications";
import { KINDS, type Kind } from "../../api/told";
import { useStore } from "../../lib/stores";

/** Which are told in this browser, and whether outside of the page, too. */
export function Notifications() {
  const silent = useStore(muted);
  const desk = useStore(onDesk);
  const [refused, setRefused] = useState(false);
  const flip = (kind: Kind) =>
    muted.set(silent.includes(kind) ? silent.filter((one) => one !== kind) : [...silent, kind]);
  const askForDesk = async (wanted: boolean) => {
    if (!wanted) return onDesk.set(false);
    const answer = await Notification.requestPermission();
    onDesk.set(answer === "granted");
    setRefused(answer !== "granted");
  };
  return (
    <section className="panel" id="notifications">
      <h2>Notifications in this browser</h2>
      <ul className="checks">
        {KINDS.map(({ kind, name, about }) => (
          <li key={kind}>
            <Checkbox
              label={name}
              description={about}
              checked={!silent.includes(kind)}
              onChange={() => flip(kind)}
            />
          </li>
        ))}
      </ul>
      {"Notification" in window && (
        <Checkbox
          label="Show them outside of the page, too, while another window is in front"
          checked={desk}
          onChange={(event) => void askForDesk(event.currentTarget.checked)}
          error={refused && "The browser does not allow it: change that in its settings for this site."}
        />
      )}
    </section>
  );
}
