-- What is queued for the same agent as this execution's is not given to its worker before the limit ends. Who is in
-- the middle of a claim or a change keeps its tasks: nobody is waited for here. One that slips through comes back.
WITH wanted AS (
    SELECT coalesce(t.agent, p.agent) AS agent, w.seconds, t.project_id, t.member_id,
        -- One that people sealed is used by few: by tasks of the same project and member for certain.
        CAST(:credential AS text) LIKE 'key\_%' AS is_sealed
    FROM task_executions e JOIN tasks t ON t.id = e.task_id JOIN projects p ON p.id = e.project_id,
        (SELECT make_interval(secs => CAST(:seconds AS double precision)) AS seconds) w
    WHERE e.id = :execution_id AND e.worker_id = :worker_id AND e.tenant_id = :tenant_id
), queued AS (
    SELECT t.id FROM tasks t JOIN projects p ON p.id = t.project_id, wanted
    WHERE t.tenant_id = :tenant_id AND t.state = 'queued' AND coalesce(t.agent, p.agent) = wanted.agent
        AND (NOT wanted.is_sealed
            OR (t.project_id = wanted.project_id AND t.member_id IS NOT DISTINCT FROM wanted.member_id))
    ORDER BY t.priority DESC, t.position, t.id
    LIMIT :most
    FOR UPDATE OF t SKIP LOCKED
)
UPDATE tasks t SET
    refused_by = CASE WHEN t.refused_until > now() THEN array_append(array_remove(t.refused_by, CAST(:worker_id AS text)),
        CAST(:worker_id AS text)) ELSE ARRAY[CAST(:worker_id AS text)] END,
    refused_until = greatest(coalesce(t.refused_until, now()), now() + wanted.seconds),
    quota_until = now() + wanted.seconds
FROM queued, wanted
WHERE t.id = queued.id
