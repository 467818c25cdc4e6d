SELECT id, tenant_id, project_id, number, state, lane_id, priority, position FROM tasks
WHERE id = :id AND project_id = :project_id
