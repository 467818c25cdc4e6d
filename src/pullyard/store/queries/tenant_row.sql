SELECT t.id, t.name, t.max_running, t.created_at,
    (SELECT b.limit_micros FROM budgets b
        WHERE b.tenant_id = t.id AND b.scope = 'tenant' AND b.period = 'day') AS daily_budget_micros,
    (SELECT CAST(coalesce(sum(micros), 0) AS bigint) FROM spending s
        WHERE s.tenant_id = t.id AND s.day = current_date) AS spent_today_micros,
    (SELECT count(*) FROM task_executions e WHERE e.tenant_id = t.id AND e.finished_at IS NULL) AS running
FROM tenants t WHERE t.id = :id
