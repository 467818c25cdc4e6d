UPDATE credentials c SET used_at = now()
FROM members m
WHERE c.secret_sha256 = :secret_sha256 AND c.kind = 'login-link' AND c.used_at IS NULL AND c.revoked_at IS NULL
    AND c.expires_at > now() AND m.id = c.member_id
RETURNING c.tenant_id, m.id AS member_id, m.name AS member_name
