SELECT id, name, kind, created_at, expires_at, used_at AS last_used_at
FROM credentials
WHERE tenant_id = :tenant_id AND kind IN ('api', 'events', 'enrolment')
    AND (CAST(:before AS text) IS NULL OR id < :before)
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY id DESC LIMIT :limit
