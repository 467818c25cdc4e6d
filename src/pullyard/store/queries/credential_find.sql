-- The use is noted at most once a minute, so that a busy token is not a busy row.
WITH found AS (
    SELECT id, tenant_id, kind, member_id, worker_id, used_at,
        revoked_at IS NOT NULL AS revoked,
        coalesce(expires_at <= now(), false) AS expired,
        extract(epoch FROM expires_at - now()) AS seconds_left
    FROM credentials WHERE secret_sha256 = :secret_sha256
), noted AS (
    UPDATE credentials c SET used_at = now() FROM found
    WHERE c.id = found.id AND NOT found.revoked AND NOT found.expired AND found.kind <> 'login-link'
        AND (found.used_at IS NULL OR found.used_at < now() - interval '1 minute')
)
SELECT id, tenant_id, kind, member_id, worker_id, revoked, expired, seconds_left FROM found
