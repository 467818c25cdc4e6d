import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Project } from "../../api/client";
import { standingsQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";
import { StateMark } from "../../components/StateMark";
import { useTitle } from "../../lib/title";
import "./automation.css";

export function AutomationsPage() {
  const projects = useQuery(standingsQuery);
  useTitle("Automation");
  return (
    <div className="stack">
      <div className="heading">
        <h1>Automation</h1>
      </div>
      <p className="quiet">A project's automation takes its tasks one after the other, unattended.</p>
      <Notice error={projects.error} />
      {projects.data?.length === 0 && (
        <div className="empty">
          <strong>There is no project yet.</strong>
          <span>Each repository is a project with an automation of its own.</span>
          <Button component={Link} to="/start">
            Add a repository
          </Button>
        </div>
      )}
      <ul className="projects">
        {projects.data?.map((project) => (
          <Row key={project.id} project={project} />
        ))}
      </ul>
    </div>
  );
}

function Row({ project }: { project: Project }) {
  return (
    <li data-row>
      <Link to="/automation/$projectId" params={{ projectId: project.id }} className="panel project-row">
        <span className="project-name">
          <strong>{plain(project.name)}</strong>
          <span className="quiet">{plain(project.repository)}</span>
        </span>
        <span className="quiet">
          {project.running} running · {project.queued} queued
        </span>
        <StateMark state={project.automation} />
      </Link>
    </li>
  );
}
