-- All that bound an execution of the project, in one order for everybody. A period that is over has nothing spent.
SELECT b.id, b.tenant_id, b.project_id, b.scope, b.period, b.limit_micros, b.limit_tokens, b.warn_percent, p.start,
    CASE WHEN b.period_start = p.start THEN b.spent_micros ELSE 0 END AS spent_micros,
    CASE WHEN b.period_start = p.start THEN b.spent_tokens ELSE 0 END AS spent_tokens,
    CASE WHEN b.period_start = p.start THEN b.extra_micros ELSE 0 END AS extra_micros,
    CASE WHEN b.period_start = p.start THEN b.extra_tokens ELSE 0 END AS extra_tokens,
    b.period_start = p.start AND b.warned AS warned
FROM budgets b CROSS JOIN LATERAL (
    SELECT CASE b.period WHEN 'day' THEN current_date WHEN 'month' THEN CAST(date_trunc('month', now()) AS date)
        ELSE date '2000-01-01' END AS start
) p
WHERE b.tenant_id = :tenant_id AND (b.project_id IS NULL OR b.project_id = :project_id)
ORDER BY b.id
FOR UPDATE OF b
