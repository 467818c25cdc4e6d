-- A worker that was thought to be gone is back with its first heartbeat.
UPDATE workers SET
    seen_at = now(),
    lease_expires_at = now() + make_interval(secs => CAST(:lease_seconds AS double precision)),
    state = CASE
        WHEN state = 'quarantined' THEN state
        WHEN :draining OR state = 'draining' THEN 'draining'
        WHEN cardinality(CAST(:held AS text[])) > 0 THEN 'busy'
        ELSE 'idle'
    END
WHERE id = :id AND tenant_id = :tenant_id
RETURNING state
