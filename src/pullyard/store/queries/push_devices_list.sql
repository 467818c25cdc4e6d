SELECT d.id, d.endpoint, d.name, d.events, d.problem, d.delivered_at, d.created_at
FROM push_devices d JOIN credentials c ON c.id = d.credential_id
WHERE d.tenant_id = :tenant_id AND d.member_id = :member_id
    AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
ORDER BY d.id DESC
