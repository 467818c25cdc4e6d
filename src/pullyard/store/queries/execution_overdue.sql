SELECT CASE WHEN :reason = 'grant_unacknowledged'
    THEN e.acknowledged_at IS NULL
        AND e.assigned_at < now() - make_interval(secs => CAST(:seconds AS double precision))
    ELSE w.lease_expires_at IS NULL OR w.lease_expires_at < now()
END
FROM task_executions e JOIN workers w ON w.id = e.worker_id
WHERE e.id = :id
