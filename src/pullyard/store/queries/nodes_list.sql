SELECT n.name, n.kind, n.phase, n.attempt, n.outcome, n.reason, n.message, n.seconds, n.facts, n.started_at,
    n.finished_at,
    CASE WHEN n.outcome IS NOT NULL OR e.finished_at IS NOT NULL THEN 'ended'
        WHEN e.state = 'waiting_input' AND e.question ->> 'node' = n.name THEN 'waiting'
        ELSE 'running'
    END AS state
FROM execution_nodes n JOIN task_executions e ON e.id = n.execution_id
WHERE n.execution_id = :execution_id AND e.tenant_id = :tenant_id
ORDER BY n.place
