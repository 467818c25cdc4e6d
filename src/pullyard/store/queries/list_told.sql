UPDATE task_lists SET state = :state, message = :message, read_at = now() WHERE project_id = :project_id
