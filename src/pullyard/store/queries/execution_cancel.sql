-- A person's cancel goes before the stop of the automation, which would put the task back into the queue.
UPDATE task_executions SET cancel_requested = true, stop_requested = false
WHERE task_id = :task_id AND finished_at IS NULL AND (NOT cancel_requested OR stop_requested)
