SELECT project_id FROM tasks WHERE id = :id AND tenant_id = :tenant_id
