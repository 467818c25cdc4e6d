-- Those that run now, and the next ones in the order of the claim.
(
    SELECT id, number, title, state, priority, execution_id, source FROM tasks
    WHERE id IN (SELECT task_id FROM task_executions WHERE project_id = :project_id AND finished_at IS NULL)
    ORDER BY number LIMIT :limit
) UNION ALL (
    SELECT id, number, title, state, priority, execution_id, source FROM tasks
    WHERE project_id = :project_id AND state = 'queued'
    ORDER BY priority DESC, position, id LIMIT :limit
)
