SELECT c.id, c.tenant_id, c.project_id, c.choose, c.chosen_task_id, c.decided_at
FROM tasks t JOIN comparisons c ON c.id = t.comparison_id
WHERE t.id = :task_id
