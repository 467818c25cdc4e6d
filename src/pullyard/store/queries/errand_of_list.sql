SELECT id, kind, state, message, created_at FROM errands
WHERE project_id = :project_id AND change_id IS NULL AND state IN ('requested', 'assigned')
