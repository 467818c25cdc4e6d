SELECT id, tenant_id, project_id, task_id, execution_id, state, commit FROM changes
WHERE id = :id AND tenant_id = :tenant_id
