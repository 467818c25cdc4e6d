DELETE FROM received_events WHERE id IN (
    SELECT id FROM received_events
    WHERE received_at < now() - make_interval(secs => CAST(:seconds AS double precision))
    ORDER BY received_at LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
