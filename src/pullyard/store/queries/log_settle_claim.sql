-- One log of an ended execution that is to be put away, for whoever asks first; until the attempt's end
-- nobody else gets it. The object of an attempt before is told, because it may have been left behind.
WITH candidate AS (
    SELECT s.execution_id, s.stream, s.attempt_key
    FROM log_streams s JOIN task_executions e ON e.id = s.execution_id
    WHERE s.place = ANY(CAST(:places AS text[]))
        AND e.finished_at <= now() - make_interval(secs => CAST(:after_seconds AS double precision))
        AND (s.attempt_until IS NULL OR s.attempt_until < now())
    ORDER BY s.place DESC, s.execution_id
    LIMIT 1
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE log_streams s SET
    attempt_key = concat_ws('/', 'logs', s.tenant_id, s.execution_id, s.stream || '-' || CAST(:token AS text) || '.zst'),
    attempt_until = now() + make_interval(secs => CAST(:attempt_seconds AS double precision))
FROM candidate c WHERE s.execution_id = c.execution_id AND s.stream = c.stream
RETURNING s.tenant_id, s.execution_id, s.stream, s.size_bytes, s.attempt_key,
    c.attempt_key AS abandoned_key
