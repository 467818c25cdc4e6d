SELECT fingerprint, status, headers, body FROM idempotency_keys
WHERE id = :id AND tenant_id = :tenant_id AND expires_at > now()
