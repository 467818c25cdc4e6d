import { Button, Checkbox } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { muted, onDesk } from "../../api/notifications";
import { canBeTold, isTold, pushQuery, tellNoMore, tellOfOthers, tellThisDevice } from "../../api/push";
import { KINDS, type Kind } from "../../api/told";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { ago, useNow } from "../../lib/format";
import { useStore } from "../../lib/stores";
import { toastError } from "../../lib/toasts";

/** Which are told in this browser, and whether outside of the page, too. */
export function Notifications() {
  const silent = useStore(muted);
  const desk = useStore(onDesk);
  const [refused, setRefused] = useState(false);
  const flip = (kind: Kind) => {
    muted.set(silent.includes(kind) ? silent.filter((one) => one !== kind) : [...silent, kind]);
    tellOfOthers().catch(toastError);
  };
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
      <Devices />
    </section>
  );
}

/** Whoever is told while no page is open: this device, and others of the same person. */
function Devices() {
  const push = useQuery(pushQuery);
  const now = useNow(60);
  const turn = useMutation({
    mutationFn: (on: boolean) => (on ? tellThisDevice() : tellNoMore()),
  });
  const remove = useMutation({ mutationFn: (id: string) => tellNoMore(id), onError: toastError });
  return (
    <>
      {canBeTold() ? (
        <Checkbox
          label="Send them to this device while no page is open"
          description="What is sent only this device can read."
          checked={isTold()}
          disabled={turn.isPending}
          onChange={(event) => turn.mutate(event.currentTarget.checked)}
        />
      ) : (
        <p className="quiet">
          This browser can't be told while no page is open. On an iPhone or iPad put Pullyard on the home
          screen first; elsewhere it takes an address with https.
        </p>
      )}
      <Notice error={turn.error ?? push.error} />
      <ul className="lines" aria-label="Devices that are told">
        {push.data?.devices.map((device) => (
          <li key={device.id}>
            <span>
              <strong>{plain(device.name)}</strong>
              <span className="quiet">
                {device.problem ||
                  (device.delivered_at
                    ? `told ${ago(device.delivered_at, now)}`
                    : "not told of anything yet")}
              </span>
            </span>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => remove.mutate(device.id)}
              aria-label={`Tell ${plain(device.name)} no more`}
            >
              Remove
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}
