DELETE FROM task_dependencies WHERE task_id = :id AND depends_on = :resolution
