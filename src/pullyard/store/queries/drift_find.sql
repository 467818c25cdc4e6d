-- A lane too many is no harm, but goes as well.
WITH waiting AS (
    SELECT project_id, count(*) AS queued, array_agg(DISTINCT lane_id ORDER BY lane_id) AS lanes
    FROM tasks WHERE state = 'queued' AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    GROUP BY project_id
), live AS (
    SELECT project_id, count(*) AS running
    FROM task_executions WHERE finished_at IS NULL
        AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    GROUP BY project_id
), truth AS (
    SELECT q.project_id, q.tenant_id, q.queued, q.running, q.active, q.lane_ids, p.automation = 'running' AS true_active,
        coalesce(w.queued, 0) AS true_queued, coalesce(l.running, 0) AS true_running,
        coalesce(w.lanes, '{}') AS true_lanes
    FROM project_queue q JOIN projects p ON p.id = q.project_id
    LEFT JOIN waiting w ON w.project_id = q.project_id
    LEFT JOIN live l ON l.project_id = q.project_id
    WHERE CAST(:project_id AS text) IS NULL OR q.project_id = :project_id
)
SELECT project_id, tenant_id, queued, running, active, true_queued, true_running, true_active, true_lanes,
    NOT lane_ids @> true_lanes AS lanes_missing
FROM truth
WHERE queued <> true_queued OR running <> true_running OR active <> true_active OR NOT (lane_ids @> true_lanes AND lane_ids <@ true_lanes)
