-- How its last executions ended since it was released, the newest first.
SELECT e.task_id, e.reason FROM task_executions e JOIN workers w ON w.id = e.worker_id
WHERE e.worker_id = :id AND e.tenant_id = :tenant_id AND e.finished_at IS NOT NULL
    AND (w.released_at IS NULL OR e.assigned_at > w.released_at)
ORDER BY e.id DESC LIMIT :limit
