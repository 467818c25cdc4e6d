SELECT t.id, t.name, t.max_running, t.created_at,
    (SELECT count(*) FROM task_executions e WHERE e.tenant_id = t.id AND e.finished_at IS NULL) AS running
FROM tenants t WHERE t.id = :id
