DELETE FROM projects WHERE id = :id AND NOT EXISTS (SELECT 1 FROM tasks WHERE project_id = :id)
