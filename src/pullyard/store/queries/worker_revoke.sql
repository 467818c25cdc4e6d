UPDATE credentials SET revoked_at = now() WHERE worker_id = :id AND revoked_at IS NULL
