SELECT b.id, b.project_id, b.scope, b.period, b.limit_micros, b.limit_tokens, b.warn_percent,
    CASE WHEN b.period_start = p.start THEN b.extra_micros ELSE 0 END AS extra_micros,
    CASE WHEN b.period_start = p.start THEN b.extra_tokens ELSE 0 END AS extra_tokens,
    CASE WHEN b.scope IN ('tenant', 'project') THEN
        CASE WHEN b.period_start = p.start THEN b.spent_micros ELSE 0 END END AS spent_micros,
    CASE WHEN b.scope IN ('tenant', 'project') THEN
        CASE WHEN b.period_start = p.start THEN b.spent_tokens ELSE 0 END END AS spent_tokens,
    b.created_at, b.updated_at
FROM budgets b CROSS JOIN LATERAL (
    SELECT CASE b.period WHEN 'day' THEN current_date WHEN 'month' THEN CAST(date_trunc('month', now()) AS date)
        ELSE date '2000-01-01' END AS start
) p
WHERE b.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR b.id = :id)
    AND (CAST(:project_id AS text) IS NULL OR b.project_id = :project_id)
    AND (CAST(:before AS text) IS NULL OR b.id < :before)
ORDER BY b.id DESC LIMIT :limit
