import { useQuery } from "@tanstack/react-query";
import { workersQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";

export function WorkersPage() {
  const workers = useQuery(workersQuery);
  return (
    <div className="stack">
      <div className="heading">
        <h1>Workers</h1>
      </div>
      <Notice error={workers.error} />
      {workers.data?.length === 0 && (
        <p className="empty">
          No worker has joined yet. Start one with <code>pullyard worker</code>; <code>pullyard up</code>{" "}
          brings one.
        </p>
      )}
      <ul className="workers">
        {workers.data?.map((worker) => (
          <li key={worker.id} className="panel">
            <div className="row">
              <h2>{plain(worker.name)}</h2>
              <StateMark state={worker.state} />
            </div>
            <p>
              {worker.running} of {worker.slots} slots busy · {worker.arch || "unknown processor"}
            </p>
            <p className="quiet break">{worker.labels.join(", ") || "no labels"}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
