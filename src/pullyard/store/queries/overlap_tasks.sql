-- Who works on the project's repository or is to, and has said on which files: the task that is asked about, then
-- those that run, then by the order of the queue. One that goes on with a change waits for nobody. Nobody waits for
-- what is held for another reason, nor for what another project has queued and nobody takes.
SELECT t.id, t.tenant_id, t.project_id, t.number, t.state, t.lane_id, t.pending_reason, t.priority, t.position,
    -- More than these are not looked at.
    jsonb_path_query_array(t.target_files, '$[0 to 49]') AS target_files, t.responds_to, t.comparison_id, coalesce(t.base_branch, p.default_branch) AS wished_base,
    t.responds_to IS NULL AND NOT t.overlap_allowed
        AND coalesce(p.change_rules ->> 'overlap', 'warn') = 'queue' AS queues
FROM projects home
JOIN projects p ON p.tenant_id = home.tenant_id AND p.repository = home.repository
JOIN project_queue q ON q.project_id = p.id
JOIN tasks t ON t.project_id = p.id
WHERE home.id = :project_id AND home.tenant_id = :tenant_id
    AND t.target_files <> '[]' AND t.state IN ('pending', 'queued', 'running', 'waiting')
    AND (t.id = CAST(:task_id AS text) OR t.state IN ('running', 'waiting') OR t.pending_reason = 'overlap'
        OR t.state = 'queued' AND (p.id = home.id OR q.active AND EXISTS (
            SELECT 1 FROM lanes l JOIN workers w ON w.tenant_id = l.tenant_id AND l.labels <@ w.labels
            WHERE l.id = t.lane_id AND w.state NOT IN ('offline', 'quarantined'))))
ORDER BY t.id = CAST(:task_id AS text) DESC, t.state IN ('running', 'waiting') DESC, t.priority DESC, t.position, t.id
LIMIT CAST(:most AS integer)
