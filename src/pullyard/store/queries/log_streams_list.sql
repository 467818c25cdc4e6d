SELECT stream, size_bytes, lines FROM log_streams
WHERE tenant_id = :tenant_id AND execution_id = :execution_id ORDER BY stream
