SELECT question FROM task_executions WHERE id = :execution_id AND tenant_id = :tenant_id
