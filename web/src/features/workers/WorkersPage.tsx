import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useLocation, useNavigate } from "@tanstack/react-router";
import type { Worker } from "../../api/client";
import { queueQuery, workersQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { useTitle } from "../../lib/title";
import { AddWorker } from "./AddWorker";
import { WorkerCard } from "./WorkerCard";
import "./workers.css";

const ORDER: Record<Worker["state"], number> = { quarantined: 0, busy: 1, idle: 2, draining: 3, offline: 4 };

export function WorkersPage() {
  const workers = useQuery(workersQuery);
  // In the address, so that other pages lead straight there.
  const adding = useLocation({ select: ({ hash }) => hash === "add" });
  const navigate = useNavigate();
  const setAdding = (now: boolean) => void navigate({ to: "/workers", hash: now ? "add" : undefined });
  useTitle("Workers");
  const shown = workers.data
    ?.filter((worker) => !worker.revoked_at)
    .sort((left, right) => ORDER[left.state] - ORDER[right.state] || left.name.localeCompare(right.name));
  return (
    <div className="stack">
      <div className="heading">
        <h1>Workers</h1>
        <Button leftSection={<IconPlus size={17} />} onClick={() => setAdding(true)}>
          Add a worker
        </Button>
      </div>
      <Notice error={workers.error} />
      {shown && shown.length > 0 && <Summary workers={shown} />}
      {shown?.length === 0 && (
        <div className="empty">
          <strong>No worker has joined yet.</strong>
          <span>
            Workers run the tasks, in sandboxes on machines of yours. <code>pullyard up</code> brings one.
          </span>
          <Button onClick={() => setAdding(true)}>Add a worker</Button>
        </div>
      )}
      <ul className="workers">
        {shown?.map((worker) => (
          <WorkerCard key={worker.id} worker={worker} />
        ))}
      </ul>
      {adding && workers.data && <AddWorker close={() => setAdding(false)} known={workers.data} />}
    </div>
  );
}

function Summary({ workers }: { workers: Worker[] }) {
  const queue = useQuery(queueQuery).data;
  const there = workers.filter((worker) => worker.state !== "offline" && worker.state !== "quarantined");
  const slots = there.reduce((sum, worker) => sum + worker.slots, 0);
  const running = there.reduce((sum, worker) => sum + worker.running, 0);
  return (
    <dl className="tiles">
      <div>
        <dt>Connected</dt>
        <dd>
          {there.length} <small>of {workers.length}</small>
        </dd>
      </div>
      <div>
        <dt>Slots busy</dt>
        <dd>
          {running} <small>of {slots}</small>
        </dd>
      </div>
      <div>
        <dt>Queued</dt>
        <dd>
          {queue ? queue.queued : "…"}{" "}
          {queue && queue.claimable < queue.queued && <small>{queue.claimable} can begin</small>}
        </dd>
      </div>
      <div>
        <dt>Quarantined</dt>
        <dd>{workers.filter((worker) => worker.state === "quarantined").length}</dd>
      </div>
    </dl>
  );
}
