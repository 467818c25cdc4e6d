-- Whoever's login is over is told no more.
WITH passed AS (UPDATE push_installation SET cursor = :settled)
INSERT INTO push_deliveries (device_id, cursor)
SELECT d.id, e.cursor
FROM events e
JOIN push_devices d ON d.tenant_id = e.tenant_id AND e.kind = ANY(d.events) AND d.created_at <= e.at
JOIN credentials c ON c.id = d.credential_id
    AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
WHERE e.cursor > :after AND e.cursor <= :settled AND e.kind = ANY(CAST(:kinds AS text[]))
FOR KEY SHARE OF d
ON CONFLICT DO NOTHING
