-- The next try was decided on before the work was saved, and has not begun.
UPDATE tasks t SET resume_from = :execution_id
WHERE t.id = :task_id AND t.state IN ('pending', 'queued')
    AND NOT EXISTS (SELECT FROM task_executions n WHERE n.task_id = t.id AND n.id > :execution_id)
