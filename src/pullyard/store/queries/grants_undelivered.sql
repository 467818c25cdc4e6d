SELECT id FROM task_executions
WHERE worker_id = :worker_id AND request_id = :request_id AND finished_at IS NULL AND acknowledged_at IS NULL
