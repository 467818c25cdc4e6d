SELECT e.id, e.tenant_id, e.project_id, e.task_id, e.worker_id, e.fence, e.state, e.reason, e.cancel_requested, e.stop_requested,
    e.correlation_id, e.queued_at, e.question - 'diff' AS question, coalesce(t.retry, p.retry) AS retry
FROM task_executions e JOIN projects p ON p.id = e.project_id JOIN tasks t ON t.id = e.task_id
WHERE e.id = :id AND e.tenant_id = :tenant_id
