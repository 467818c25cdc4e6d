-- In pieces, so that no lock is held for long after a busy day.
DELETE FROM idempotency_keys WHERE id IN (
    SELECT id FROM idempotency_keys WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
