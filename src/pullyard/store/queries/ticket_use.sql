-- Of two who come with the same ticket at once, one deletes it and the other finds nothing.
WITH used AS (
    DELETE FROM stream_tickets WHERE secret_sha256 = :secret_sha256 RETURNING credential_id, expires_at
)
SELECT c.id, c.tenant_id, c.kind, c.member_id, c.worker_id
FROM used JOIN credentials c ON c.id = used.credential_id
WHERE used.expires_at > now() AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
