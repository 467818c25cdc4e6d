UPDATE task_executions SET cancel_requested = true, stop_requested = true
WHERE project_id = :project_id AND finished_at IS NULL AND NOT cancel_requested
RETURNING id, task_id
