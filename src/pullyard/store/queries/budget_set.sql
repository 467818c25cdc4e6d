-- What was spent in the period before the budget was made counts, too. What a person added stays for the period.
INSERT INTO budgets AS b (id, tenant_id, project_id, scope, period, limit_micros, limit_tokens, warn_percent,
    period_start, spent_micros, spent_tokens)
SELECT :id, CAST(:tenant_id AS text), CAST(:project_id AS text), :scope, CAST(:period AS text),
    CAST(:limit_micros AS bigint), CAST(:limit_tokens AS bigint), CAST(:warn_percent AS integer), p.start,
    CAST(coalesce(sum(s.micros), 0) AS bigint), CAST(coalesce(sum(s.tokens), 0) AS bigint)
FROM (SELECT CASE CAST(:period AS text) WHEN 'day' THEN current_date
    WHEN 'month' THEN CAST(date_trunc('month', now()) AS date) ELSE date '2000-01-01' END AS start) p
LEFT JOIN spending s ON s.tenant_id = :tenant_id AND s.day >= p.start
    AND (CAST(:project_id AS text) IS NULL OR s.project_id = :project_id)
GROUP BY p.start
ON CONFLICT (tenant_id, coalesce(project_id, ''), scope, period) DO UPDATE SET
    limit_micros = excluded.limit_micros,
    limit_tokens = excluded.limit_tokens,
    warn_percent = excluded.warn_percent,
    warned = false,
    updated_at = now()
RETURNING id
