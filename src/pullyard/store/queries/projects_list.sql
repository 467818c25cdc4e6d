SELECT p.id, p.name, p.repository, p.forge, p.default_branch, p.agent, p.setup_commands, p.verify_commands,
    p.limits, p.retry, p.text_policy, p.automation_policy, p.labels, q.max_running, q.daily_budget_micros,
    CASE WHEN q.spent_on = current_date THEN q.spent_micros ELSE 0 END AS spent_today_micros, p.workflow_nodes,
    p.isolation, p.automation, q.queued, q.running, p.version,
    p.created_at, p.updated_at
FROM projects p JOIN project_queue q ON q.project_id = p.id
WHERE p.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR p.id = :id)
    AND (CAST(:name AS text) IS NULL OR p.name = :name)
    AND (CAST(:before AS text) IS NULL OR p.id < :before)
ORDER BY p.id DESC LIMIT :limit
