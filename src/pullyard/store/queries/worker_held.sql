SELECT id FROM task_executions
WHERE worker_id = :id AND tenant_id = :tenant_id AND finished_at IS NULL
ORDER BY project_id, id
