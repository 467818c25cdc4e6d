import { Button, Menu } from "@mantine/core";
import { IconCheck, IconDots, IconX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, taken, type Worker } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { ago, bytes, useNow } from "../../lib/format";
import { toastError } from "../../lib/toasts";
import { words } from "../../lib/words";
import { type Probe, probesOf, type WorkerFacts } from "./facts";

const MANY_SLOTS = 32;

export function WorkerCard({ worker }: { worker: Worker }) {
  const facts = worker.facts as WorkerFacts;
  const now = useNow(15);
  const gone = worker.state === "offline" && worker.seen_at;
  return (
    <li className="panel worker" id={worker.id} data-row tabIndex={-1} aria-label={plain(worker.name)}>
      <div className="worker-top">
        <h2>{plain(worker.name)}</h2>
        <StateMark state={worker.state} />
        <Actions worker={worker} />
      </div>
      {worker.quarantine_reason && <p className="worker-why">{plain(worker.quarantine_reason)}</p>}
      <Slots worker={worker} />
      <p className="quiet worker-line">
        {[
          worker.arch || "unknown processor",
          `version ${worker.software_version}`,
          facts.free_bytes !== undefined && `${bytes(facts.free_bytes)} free`,
          gone && `last seen ${ago(gone, now)}`,
        ]
          .filter(Boolean)
          .map((one) => plain(String(one)))
          .join(" · ")}
      </p>
      {worker.labels.length > 0 && (
        <p className="chips">
          {worker.labels.map((label) => (
            <span key={label} className="chip">
              {plain(label)}
            </span>
          ))}
        </p>
      )}
      <Isolation probes={probesOf(facts)} best={facts.sandbox} />
    </li>
  );
}

function Slots({ worker: { running, slots } }: { worker: Worker }) {
  return (
    <div className="slots">
      {slots <= MANY_SLOTS && (
        <span aria-hidden>
          {Array.from({ length: slots }, (_, place) => (
            <i key={place} data-busy={place < running} />
          ))}
        </span>
      )}
      {running} of {slots} slots busy
    </div>
  );
}

function Isolation({ probes, best }: { probes: Probe[]; best: string | undefined }) {
  if (probes.length === 0) return null;
  return (
    <details className="isolation">
      <summary>
        Measured isolation <span className="quiet">{best ? `best: ${plain(best)}` : ""}</span>
      </summary>
      {probes.map((probe) => (
        <div key={probe.name} className="probe">
          <h3>
            {plain(probe.name)}{" "}
            <span className="quiet">
              {probe.available
                ? `starts in ${Math.round((probe.start_seconds ?? 0) * 1000)} ms`
                : "can't run here"}
            </span>
          </h3>
          {probe.remedy && <p>{plain(probe.remedy)}</p>}
          <Held what="Escapes" all={probe.escapes} />
          <Held what="Limits" all={probe.bounds} />
        </div>
      ))}
    </details>
  );
}

/** Each thing that was tried, and whether it was held. */
function Held({ what, all }: { what: string; all: Record<string, boolean> | undefined }) {
  const entries = Object.entries(all ?? {});
  if (entries.length === 0) return null;
  const held = entries.filter(([, ok]) => ok).length;
  return (
    <>
      <p className="quiet">
        {what} held: {held} of {entries.length}
      </p>
      <ul className="held">
        {entries.map(([name, ok]) => (
          <li key={name} data-ok={ok}>
            {ok ? <IconCheck size={14} aria-label="held" /> : <IconX size={14} aria-label="not held" />}
            {plain(words(name))}
          </li>
        ))}
      </ul>
    </>
  );
}

type Deed = "drain" | "resume" | "quarantine" | "release" | "requeue" | "revoke";

const DEEDS: { deed: Deed; name: string; fits: (worker: Worker) => boolean; sure?: string }[] = [
  {
    deed: "drain",
    name: "Drain: finish and take nothing new",
    fits: ({ state }) => state === "idle" || state === "busy",
  },
  { deed: "resume", name: "Resume", fits: ({ state }) => state === "draining" },
  { deed: "release", name: "Release from quarantine", fits: ({ state }) => state === "quarantined" },
  { deed: "quarantine", name: "Quarantine", fits: ({ state }) => state !== "quarantined" },
  {
    deed: "requeue",
    name: "Take its tasks back into the queue",
    fits: ({ running }) => running > 0,
    sure: "All that it runs is saved and queued again, for whichever worker comes first.",
  },
  {
    deed: "revoke",
    name: "Revoke its access",
    fits: () => true,
    sure: "Its credential stops working at once and for good, and its tasks go back into the queue.",
  },
];

function Actions({ worker }: { worker: Worker }) {
  const [asked, setAsked] = useState<(typeof DEEDS)[number] | null>(null);
  const ask = useMutation({
    mutationFn: (deed: Deed) =>
      taken<unknown>(
        api.POST(`/api/v1/workers/{worker_id}/${deed}`, { params: { path: { worker_id: worker.id } } }),
      ),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["workers"] }),
  });
  return (
    <>
      <Menu position="bottom-end" shadow="md" width={270}>
        <Menu.Target>
          <Button
            variant="default"
            size="compact-sm"
            loading={ask.isPending}
            aria-label={`Actions for ${plain(worker.name)}`}
          >
            <IconDots size={17} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {DEEDS.filter((one) => one.fits(worker)).map((one) => (
            <Menu.Item
              key={one.deed}
              c={one.deed === "revoke" ? "var(--bad)" : undefined}
              onClick={() => (one.sure ? setAsked(one) : ask.mutate(one.deed))}
            >
              {one.name}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {asked?.sure && (
        <Confirm
          title={`${asked.name}?`}
          text={asked.sure}
          yes={asked.deed === "revoke" ? "Revoke" : "Take back"}
          close={() => setAsked(null)}
          confirm={() => ask.mutate(asked.deed)}
        />
      )}
    </>
  );
}
