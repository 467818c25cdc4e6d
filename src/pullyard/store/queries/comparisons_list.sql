SELECT c.id, c.project_id, c.title, c.choose, c.budget_micros, c.budget_tokens, c.chosen_task_id, c.decided_at,
    c.decided_how, c.decided_by, m.name AS decided_by_name, c.created_at
FROM comparisons c LEFT JOIN members m ON m.id = c.decided_by
WHERE c.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR c.id = :id)
    AND (CAST(:project_id AS text) IS NULL OR c.project_id = :project_id)
    AND (CAST(:before AS text) IS NULL OR c.id < :before)
ORDER BY c.id DESC LIMIT :limit
