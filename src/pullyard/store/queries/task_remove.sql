DELETE FROM tasks t
WHERE t.id = :id AND t.execution_id IS NULL AND t.comparison_id IS NULL
    AND NOT EXISTS (SELECT 1 FROM task_executions e WHERE e.task_id = t.id)
    AND NOT EXISTS (SELECT 1 FROM task_dependencies d WHERE d.depends_on = t.id)
