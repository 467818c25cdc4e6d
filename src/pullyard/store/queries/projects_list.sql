SELECT p.id, p.name, p.repository, p.forge, p.default_branch, p.agent, p.setup_commands, p.verify_commands,
    p.limits, p.retry, p.text_policy, p.automation_policy, p.labels, q.max_running,
    (SELECT b.limit_micros FROM budgets b
        WHERE b.tenant_id = p.tenant_id AND b.project_id = p.id AND b.scope = 'project' AND b.period = 'day')
        AS daily_budget_micros,
    coalesce((SELECT s.micros FROM spending s WHERE s.project_id = p.id AND s.day = current_date), 0)
        AS spent_today_micros, p.workflow_nodes,
    p.isolation, p.change_rules, p.forge_events,
    -- For the few that have a worker look.
    CASE WHEN p.forge_events ->> 'poll_issues' = 'true' THEN
        (SELECT CASE WHEN e.state = 'failed' THEN e.message END FROM errands e
            WHERE e.project_id = p.id AND e.kind = 'read-issues' AND e.state IN ('done', 'failed')
            ORDER BY e.created_at DESC LIMIT 1)
        END AS issues_problem,
    p.automation, q.queued, q.running, p.version,
    p.created_at, p.updated_at
FROM projects p JOIN project_queue q ON q.project_id = p.id
WHERE p.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR p.id = :id)
    AND (CAST(:name AS text) IS NULL OR p.name = :name)
    AND (CAST(:before AS text) IS NULL OR p.id < :before)
ORDER BY p.id DESC LIMIT :limit
