-- How long these logs are now, and whether they may grow; no row for an execution that is not the tenant's.
SELECT wanted.tenant_id, wanted.execution_id, wanted.stream, coalesce(s.size_bytes, 0) AS size_bytes,
    e.finished_at IS NOT NULL AS final
FROM unnest(CAST(:tenant_ids AS text[]), CAST(:execution_ids AS text[]), CAST(:streams AS text[]))
    AS wanted (tenant_id, execution_id, stream)
JOIN task_executions e ON e.id = wanted.execution_id AND e.tenant_id = wanted.tenant_id
LEFT JOIN log_streams s ON s.execution_id = e.id AND s.stream = wanted.stream
