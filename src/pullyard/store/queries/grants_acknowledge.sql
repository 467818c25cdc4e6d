UPDATE task_executions SET acknowledged_at = now()
WHERE id = ANY (CAST(:ids AS text[])) AND finished_at IS NULL AND acknowledged_at IS NULL
