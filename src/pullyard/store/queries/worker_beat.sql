-- A person's drain stays until a person ends it; a worker's own is over with its first heartbeat that says nothing
-- of it, so that a late one from before its restart keeps nobody from work.
-- A worker that was thought to be gone is back with its first heartbeat.
-- What it has of live executions comes along: a worker can't name one before the commit that gave it is seen here.
WITH beat AS (
    UPDATE workers SET
        drains_itself = :draining AND (state <> 'draining' OR drains_itself),
        seen_at = now(),
        lease_expires_at = now() + make_interval(secs => CAST(:lease_seconds AS double precision)),
        state = CASE
            WHEN state = 'quarantined' THEN state
            WHEN :draining OR (state = 'draining' AND NOT drains_itself) THEN 'draining'
            WHEN cardinality(CAST(:held AS text[])) > 0 THEN 'busy'
            ELSE 'idle'
        END
    WHERE id = :id AND tenant_id = :tenant_id
    RETURNING id, state, labels, protocol_version
)
SELECT beat.state, beat.labels, beat.protocol_version, e.id, e.fence, e.cancel_requested, e.acknowledged_at IS NOT NULL AS acknowledged,
    CASE WHEN e.question ? 'answer' AND NOT e.question ? 'taken' THEN e.question END AS answered
FROM beat LEFT JOIN task_executions e ON e.worker_id = beat.id AND e.finished_at IS NULL
