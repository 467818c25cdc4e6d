-- One look at the whole installation: a row a project and a row a worker are read, and never the tasks.
WITH by_automation AS (
    SELECT p.automation, count(*) AS projects, sum(q.queued) AS queued, sum(q.running) AS running,
        sum(CASE WHEN q.active THEN least(q.queued, greatest(0, q.max_running - q.running)) ELSE 0 END)
            AS claimable
    FROM projects p JOIN project_queue q ON q.project_id = p.id
    GROUP BY p.automation
), by_state AS (
    SELECT state, count(*) AS workers, sum(slots) AS slots FROM workers GROUP BY state
), of_projects AS (
    SELECT coalesce(sum(projects), 0) AS project_count, coalesce(sum(claimable), 0) AS claimable,
        coalesce(jsonb_object_agg(automation, projects), '{}') AS projects,
        coalesce(jsonb_object_agg(automation, queued), '{}') AS queued,
        coalesce(jsonb_object_agg(automation, running), '{}') AS running
    FROM by_automation
), of_workers AS (
    SELECT coalesce(jsonb_object_agg(state, workers), '{}') AS workers,
        coalesce(jsonb_object_agg(state, slots), '{}') AS slots
    FROM by_state
)
SELECT *, (SELECT coalesce(max(cursor), 0) FROM events) AS newest_cursor FROM of_projects, of_workers
