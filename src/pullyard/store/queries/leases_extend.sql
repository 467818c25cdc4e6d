WITH live AS (
    UPDATE task_executions SET assigned_at = now()
    WHERE finished_at IS NULL AND acknowledged_at IS NULL
)
UPDATE workers SET lease_expires_at = greatest(lease_expires_at,
    now() + make_interval(secs => CAST(:lease_seconds AS double precision)))
WHERE state <> 'offline' OR id IN (SELECT worker_id FROM task_executions WHERE finished_at IS NULL)
