SELECT not_before <= now() FROM tasks WHERE id = :id
