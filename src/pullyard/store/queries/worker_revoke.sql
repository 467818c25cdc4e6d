WITH noted AS (
    UPDATE workers SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL
)
UPDATE credentials SET revoked_at = now() WHERE worker_id = :id AND revoked_at IS NULL
