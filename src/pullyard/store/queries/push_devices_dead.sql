-- Whoever's login is over is told no more.
DELETE FROM push_devices WHERE id IN (
    SELECT d.id FROM push_devices d JOIN credentials c ON c.id = d.credential_id
    WHERE c.revoked_at IS NOT NULL OR c.expires_at <= now()
    FOR UPDATE OF d SKIP LOCKED
)
