-- Of who asked for the task, or changed or retried it last, else of its project, else of all: the first that is
-- sealed to this worker.
SELECT k.id, k.boxes ->> CAST(:sealing_key AS text) AS box
FROM task_executions e JOIN tasks t ON t.id = e.task_id
JOIN provider_keys k ON k.tenant_id = e.tenant_id AND k.provider = :provider
    AND (k.project_id IS NULL OR k.project_id = e.project_id)
    AND (k.member_id IS NULL OR k.member_id = coalesce(t.key_member_id, t.member_id))
WHERE e.id = :execution_id AND e.tenant_id = :tenant_id AND e.worker_id = :worker_id AND e.fence = :fence
    AND e.finished_at IS NULL AND k.boxes ? CAST(:sealing_key AS text)
ORDER BY (k.member_id IS NULL), (k.project_id IS NULL)
LIMIT 1
