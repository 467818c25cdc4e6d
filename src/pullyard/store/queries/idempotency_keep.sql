-- One that is expired and not yet removed gives place.
INSERT INTO idempotency_keys (id, tenant_id, fingerprint, status, headers, body, expires_at)
VALUES (:id, :tenant_id, :fingerprint, :status, :headers, :body,
    now() + make_interval(secs => CAST(:seconds AS double precision)))
ON CONFLICT (id) DO UPDATE SET
    fingerprint = EXCLUDED.fingerprint,
    status = EXCLUDED.status,
    headers = EXCLUDED.headers,
    body = EXCLUDED.body,
    created_at = now(),
    expires_at = EXCLUDED.expires_at
