UPDATE credentials SET revoked_at = now()
WHERE id = :id AND tenant_id = :tenant_id AND kind IN ('session', 'api', 'enrolment') AND revoked_at IS NULL
