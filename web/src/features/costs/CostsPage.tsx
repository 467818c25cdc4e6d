import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Budget, type Project, taken } from "../../api/client";
import { budgetsQuery, queryClient, standingsQuery, tenantQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { SureButton } from "../../components/SureButton";
import { dollars } from "../../lib/format";
import { useTitle } from "../../lib/title";
import { toastError } from "../../lib/toasts";
import { BudgetDialog } from "./BudgetDialog";
import { Report } from "./Report";
import "./costs.css";

export function CostsPage() {
  const tenant = useQuery(tenantQuery);
  const projects = useQuery(standingsQuery);
  const budgets = useQuery(budgetsQuery);
  const [editing, setEditing] = useState<Budget | "new" | null>(null);
  useTitle("Costs");
  return (
    <div className="stack">
      <div className="heading">
        <h1>Costs</h1>
        <Button leftSection={<IconPlus size={17} />} onClick={() => setEditing("new")}>
          Set a budget
        </Button>
      </div>
      <Notice error={tenant.error ?? projects.error ?? budgets.error} />
      {tenant.data && (
        <dl className="tiles">
          <div>
            <dt>Spent today, by UTC</dt>
            <dd>{dollars(tenant.data.spent_today_micros)}</dd>
          </div>
          <div>
            <dt>Daily limit of all projects</dt>
            <dd>
              {tenant.data.daily_budget_micros === null ? "none" : dollars(tenant.data.daily_budget_micros)}
            </dd>
          </div>
          <div>
            <dt>Running now</dt>
            <dd>{tenant.data.running}</dd>
          </div>
        </dl>
      )}
      <section className="panel">
        <h2>Budgets</h2>
        {budgets.data?.length === 0 && (
          <p className="quiet">
            There is none. A budget bounds what a project, a task or all of them may spend.
          </p>
        )}
        <ul className="budgets" hidden={!budgets.data?.length}>
          {budgets.data?.map((budget) => (
            <BudgetRow
              key={budget.id}
              budget={budget}
              project={projects.data?.find((one) => one.id === budget.project_id)}
              edit={() => setEditing(budget)}
            />
          ))}
        </ul>
      </section>
      {projects.data && projects.data.length > 0 && <Today projects={projects.data} />}
      <Report />
      {editing && projects.data && (
        <BudgetDialog
          budget={editing === "new" ? null : editing}
          projects={projects.data}
          close={() => setEditing(null)}
        />
      )}
    </div>
  );
}

function Today({ projects }: { projects: Project[] }) {
  const shown = [...projects].sort((left, right) => right.spent_today_micros - left.spent_today_micros);
  const most = Math.max(1, ...shown.map((one) => one.spent_today_micros));
  return (
    <section className="panel">
      <h2>Projects today</h2>
      <ul className="spent">
        {shown.map((project) => (
          <li key={project.id}>
            <Link to="/" search={{ project: project.id }}>
              {plain(project.name)}
            </Link>
            <span className="bar" aria-hidden>
              <span style={{ width: `${(project.spent_today_micros / most) * 100}%` }} />
            </span>
            <span className="amount">
              {dollars(project.spent_today_micros)}
              {project.daily_budget_micros !== null && (
                <span className="quiet"> of {dollars(project.daily_budget_micros)}</span>
              )}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const SCOPES: Record<Budget["scope"], string> = {
  tenant: "All projects together",
  project: "The project",
  task: "Each task, with all its tries",
  execution: "Each execution",
};
const PERIODS: Record<Budget["period"], string> = { day: "a day", month: "a month", total: "in all" };

type RowProps = { budget: Budget; project: Project | undefined; edit: () => void };

function BudgetRow({ budget, project, edit }: RowProps) {
  const remove = useMutation({
    mutationFn: () =>
      taken(api.DELETE("/api/v1/budgets/{budget_id}", { params: { path: { budget_id: budget.id } } })),
    onError: toastError,
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["budgets"] }),
  });
  return (
    <li data-row>
      <div className="budget-top">
        <span>
          <strong>
            {budget.scope === "project" ? plain(project?.name ?? "A project") : SCOPES[budget.scope]}
          </strong>
          {budget.project_id && budget.scope !== "project" && ` of ${plain(project?.name ?? "a project")}`}
          <span className="quiet">, {PERIODS[budget.period]}</span>
        </span>
        <span className="row">
          <Button size="compact-sm" variant="default" onClick={edit}>
            Change
          </Button>
          <SureButton
            word="Remove"
            title="Remove this budget?"
            text="What it held back goes on, and nothing is bounded by it any more."
            run={() => remove.mutate()}
          />
        </span>
      </div>
      <Limit
        spent={budget.spent_micros}
        limit={budget.limit_micros}
        extra={budget.extra_micros}
        warn={budget.warn_percent}
        said={dollars}
      />
      <Limit
        spent={budget.spent_tokens}
        limit={budget.limit_tokens}
        extra={budget.extra_tokens}
        warn={budget.warn_percent}
        said={(count) => `${count.toLocaleString("en")} tokens`}
      />
    </li>
  );
}

type LimitProps = {
  spent: number | null;
  limit: number | null;
  extra: number;
  warn: number;
  said: (amount: number) => string;
};

function Limit({ spent, limit, extra, warn, said }: LimitProps) {
  if (limit === null) return null;
  if (spent === null) return <p>At most {said(limit)}</p>;
  const all = limit + extra;
  const part = all > 0 ? Math.min(100, (spent / all) * 100) : 100;
  const tone = part >= 100 ? "bad" : part >= warn ? "warn" : undefined;
  return (
    <div className="limit">
      <div className="bar" data-tone={tone} aria-hidden>
        <span style={{ width: `${part}%` }} />
      </div>
      <span>
        {said(spent)} <span className="quiet">of {said(all)}</span>
        {extra > 0 && <span className="quiet">, {said(extra)} of it added</span>}
        {tone === "bad" && <strong className="over"> spent</strong>}
      </span>
    </div>
  );
}
