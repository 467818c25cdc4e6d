-- The chunk in which the line of this number ends, if there is one.
SELECT coalesce(s.size_bytes, 0) AS stream_bytes, coalesce(s.lines, 0) AS stream_lines, s.expired_at,
    s.object_key, e.finished_at IS NOT NULL AS final,
    c.start_offset, c.size_bytes, c.start_line, c.lines, c.data, c.object_offset, c.object_bytes
FROM task_executions e
LEFT JOIN log_streams s ON s.execution_id = e.id AND s.stream = :stream
LEFT JOIN LATERAL (
    SELECT * FROM log_chunks
    WHERE execution_id = e.id AND stream = s.stream AND start_line < :line AND s.lines >= :line
    ORDER BY start_line DESC, start_offset DESC LIMIT 1
) c ON true
WHERE e.id = :execution_id AND e.tenant_id = :tenant_id
