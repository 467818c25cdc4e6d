SELECT stream, size_bytes, lines, encode(sha256, 'hex') AS sha256, place = 'archived' AS archived, expired_at
FROM log_streams
WHERE tenant_id = :tenant_id AND execution_id = :execution_id ORDER BY stream
