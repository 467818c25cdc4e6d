UPDATE task_executions SET budget_warned = true WHERE id = :id
