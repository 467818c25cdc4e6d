import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Change, Comparison, Project } from "../../api/client";
import { comparisonsQuery, openChangesQuery, projectsQuery } from "../../api/queries";
import { ChangeMarks } from "../../components/ChangeMarks";
import { FilterSelect, ProjectSelect, SearchInput } from "../../components/FilterInputs";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { ago, dollars, useNow } from "../../lib/format";
import { useTitle } from "../../lib/title";
import { type Filters, GROUPS, queued, toChoose } from "./queue";
import "./review.css";

const route = getRouteApi("/review");

/** The open changes that wait for a person, the most urgent first. */
export function ReviewPage() {
  const filters = route.useSearch();
  const navigate = route.useNavigate();
  const changes = useQuery(openChangesQuery);
  const comparisons = useQuery(comparisonsQuery);
  const projects = useQuery(projectsQuery).data;
  const names = useMemo(() => new Map(projects?.map(({ id, name }) => [id, name])), [projects]);
  const name = (id: string) => names.get(id) ?? "";
  useTitle("Review");
  const groups = changes.data && queued(changes.data, filters, name);
  const chosen = toChoose(comparisons.data ?? [], filters);
  const shown = GROUPS.filter(({ id }) => !filters.show || filters.show === id);
  const count = shown.reduce((sum, { id }) => sum + (groups?.get(id)?.length ?? 0), 0);
  const withChoices = !filters.show || filters.show === "choose";
  return (
    <div className="stack">
      <div className="heading">
        <h1>Review</h1>
      </div>
      <Bar
        filters={filters}
        projects={projects ?? []}
        change={(changed) => {
          // Letters as they are typed are no places to go back to.
          void navigate({ search: { ...filters, ...changed }, replace: "q" in changed });
        }}
      />
      <Notice error={changes.error ?? comparisons.error} />
      {withChoices && chosen.length > 0 && <Choices comparisons={chosen} name={name} />}
      {shown.map(({ id, name: title, about }) => (
        <Group key={id} title={title} about={about} changes={groups?.get(id) ?? []} name={name} />
      ))}
      {groups && count + (withChoices ? chosen.length : 0) === 0 && <Nothing filters={filters} />}
    </div>
  );
}

type BarProps = { filters: Filters; projects: Project[]; change: (changed: Partial<Filters>) => void };

function Bar({ filters, projects, change }: BarProps) {
  return (
    <search className="filters">
      <SearchInput label="Search the changes" value={filters.q} change={(q) => change({ q })} />
      <ProjectSelect projects={projects} value={filters.project} change={(project) => change({ project })} />
      <FilterSelect
        label="What to show"
        any="All that is open"
        value={filters.show}
        data={[...GROUPS.map(({ id, name }): [string, string] => [id, name]), ["choose", "Choose one"]]}
        change={(show) => change({ show })}
      />
      {Object.values(filters).some(Boolean) && (
        <Button
          variant="subtle"
          onClick={() => change({ project: undefined, show: undefined, q: undefined })}
        >
          Clear
        </Button>
      )}
    </search>
  );
}

type Name = (projectId: string) => string;
type GroupProps = { title: string; about: string; changes: Change[]; name: Name };

function Group({ title, about, changes, name }: GroupProps) {
  if (changes.length === 0) return null;
  return (
    <section className="review-group" aria-label={title}>
      <h2 title={about}>
        {title} <span className="quiet">{changes.length}</span>
      </h2>
      <ul>
        {changes.map((change) => (
          <Row key={change.id} change={change} project={name(change.project_id)} />
        ))}
      </ul>
    </section>
  );
}

function Row({ change, project }: { change: Change; project: string }) {
  const now = useNow(30);
  return (
    <li className="review-row" data-row>
      <div className="review-words">
        <Link to="/changes/$changeId" params={{ changeId: change.id }} className="review-title">
          {plain(change.title)}
        </Link>
        <ChangeMarks change={change} />
      </div>
      <p className="review-facts">
        <span>
          {plain(project)}#{change.task_number}
        </span>
        {change.priority !== 0 && <span>priority {change.priority}</span>}
        {change.cost_micros > 0 && <span>{dollars(change.cost_micros)}</span>}
        <span>{ago(change.created_at, now)}</span>
      </p>
    </li>
  );
}

function Choices({ comparisons, name }: { comparisons: Comparison[]; name: Name }) {
  const now = useNow(30);
  return (
    <section className="review-group" aria-label="Choose one">
      <h2 title="Several agents did the same task.">
        Choose one <span className="quiet">{comparisons.length}</span>
      </h2>
      <ul>
        {comparisons.map((one) => {
          const delivered = one.candidates.filter((candidate) => candidate.delivered).length;
          return (
            <li key={one.id} className="review-row" data-row>
              <div className="review-words">
                <Link
                  to="/comparisons/$comparisonId"
                  params={{ comparisonId: one.id }}
                  className="review-title"
                >
                  {plain(one.title)}
                </Link>
                <span className="quiet">
                  {delivered} of {one.candidates.length} candidates delivered
                  {one.state === "running" && ", the others are at it"}
                </span>
              </div>
              <p className="review-facts">
                <span>{plain(name(one.project_id))}</span>
                <span>{ago(one.created_at, now)}</span>
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Nothing({ filters }: { filters: Filters }) {
  if (Object.values(filters).some(Boolean)) return <p className="empty">No open change is like that.</p>;
  return (
    <div className="empty">
      <strong>Nothing waits for a review.</strong>
      <span>What agents deliver shows up here.</span>
      <Link to="/">Go to the board</Link>
    </div>
  );
}
