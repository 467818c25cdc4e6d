SELECT project_id FROM task_executions WHERE id = :id AND tenant_id = :tenant_id
