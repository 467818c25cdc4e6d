SELECT t.id, t.name, t.max_running, t.daily_budget_micros, t.created_at,
    (SELECT coalesce(sum(spent_micros), 0) FROM project_queue s
        WHERE s.tenant_id = t.id AND s.spent_on = current_date) AS spent_today_micros,
    (SELECT count(*) FROM task_executions e WHERE e.tenant_id = t.id AND e.finished_at IS NULL) AS running
FROM tenants t WHERE t.id = :id
