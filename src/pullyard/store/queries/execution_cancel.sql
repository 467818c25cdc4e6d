UPDATE task_executions SET cancel_requested = true
WHERE task_id = :task_id AND finished_at IS NULL AND NOT cancel_requested
