SELECT t.id FROM changes c JOIN tasks t ON t.id = c.update_task_id WHERE c.id = :id AND t.finished_at IS NULL
