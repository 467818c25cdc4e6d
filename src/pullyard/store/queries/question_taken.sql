UPDATE task_executions SET question = question || '{"taken": true}' WHERE id = :id
