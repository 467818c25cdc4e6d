SELECT d.task_id, d.depends_on FROM task_dependencies d JOIN tasks t ON t.id = d.task_id
WHERE t.project_id = :project_id AND t.list_key IS NOT NULL AND t.state IN ('pending', 'queued')
