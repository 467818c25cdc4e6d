import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type CostsBy, costsQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { dollars } from "../../lib/format";

const GROUPS: { value: CostsBy; label: string }[] = [
  { value: "day", label: "By day" },
  { value: "project", label: "By project" },
  { value: "agent", label: "By agent" },
  { value: "provider", label: "By provider" },
  { value: "model", label: "By model" },
];

/** What this month's executions have used, and the same as a file for sheets. */
export function Report() {
  const [by, setBy] = useState<CostsBy>("day");
  const report = useQuery(costsQuery(by));
  const rows = report.data?.rows ?? [];
  const most = Math.max(1, ...rows.map((row) => row.cost_micros));
  return (
    <section className="panel">
      <div className="budget-top">
        <h2>This month</h2>
        <span className="row">
          <NativeSelect
            aria-label="Group the costs"
            size="xs"
            value={by}
            onChange={(event) => setBy(event.currentTarget.value as CostsBy)}
            data={GROUPS}
          />
          <a href={`/api/v1/costs?by=${by}&format=csv`} download>
            As CSV
          </a>
        </span>
      </div>
      <Notice error={report.error} />
      {report.data && rows.length === 0 && <p className="quiet">Nothing was used yet.</p>}
      <ul className="spent">
        {rows.map((row) => (
          <li key={row.key}>
            <span className="spent-name">{plain(row.name ?? row.key ?? "not told")}</span>
            <span className="bar" aria-hidden>
              <span style={{ width: `${(row.cost_micros / most) * 100}%` }} />
            </span>
            <span className="amount">
              {dollars(row.cost_micros)}{" "}
              <span className="quiet">
                {row.executions} {row.executions === 1 ? "execution" : "executions"}
              </span>
            </span>
          </li>
        ))}
      </ul>
      {report.data && rows.length > 0 && (
        <p className="quiet">
          {dollars(report.data.total.cost_micros)} in all, with{" "}
          {(report.data.total.input_tokens + report.data.total.output_tokens).toLocaleString("en")} tokens
        </p>
      )}
    </section>
  );
}
