DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE received_at < now() - make_interval(secs => CAST(:seconds AS double precision))
    ORDER BY received_at LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
