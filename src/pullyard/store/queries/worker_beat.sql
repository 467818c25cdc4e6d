-- A person's drain stays until a person ends it; a worker's own is over with its first heartbeat that says nothing
-- of it, so that a late one from before its restart keeps nobody from work.
-- A worker that was thought to be gone is back with its first heartbeat.
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
RETURNING state
