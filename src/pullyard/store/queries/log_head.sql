SELECT coalesce(s.size_bytes, 0) AS size_bytes, e.finished_at IS NOT NULL AS final
FROM task_executions e
LEFT JOIN log_streams s ON s.execution_id = e.id AND s.stream = :stream
WHERE e.id = :execution_id AND e.tenant_id = :tenant_id
