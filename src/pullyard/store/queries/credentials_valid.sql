SELECT id FROM credentials
WHERE id = ANY(CAST(:ids AS text[])) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
