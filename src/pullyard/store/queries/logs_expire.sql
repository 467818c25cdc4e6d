WITH old AS (
    SELECT execution_id, stream FROM log_streams
    WHERE place IN ('compacted', 'archived') AND NOT stream = ANY(CAST(:kept AS text[]))
        AND settled_at < now() - make_interval(days => CAST(:retention_days AS integer))
        AND (attempt_until IS NULL OR attempt_until < now())
    ORDER BY settled_at LIMIT 100
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM log_chunks c USING old WHERE c.execution_id = old.execution_id AND c.stream = old.stream
)
UPDATE log_streams s SET place = 'expired', expired_at = now(), attempt_key = NULL, attempt_until = NULL,
    object_key = coalesce(s.object_key, s.attempt_key)
FROM old WHERE s.execution_id = old.execution_id AND s.stream = old.stream
RETURNING s.execution_id
