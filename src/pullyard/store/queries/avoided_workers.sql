-- Of these workers, those that a queued task had better not run on.
SELECT DISTINCT avoid_worker_id AS worker_id FROM tasks
WHERE tenant_id = CAST(:tenant_id AS text) AND state = 'queued' AND avoid_worker_id = ANY (CAST(:worker_ids AS text[]))
    AND avoid_until > now()
