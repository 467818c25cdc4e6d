-- One row where it is news.
UPDATE changes SET forge_status = :forge_status, version = version + 1, updated_at = now()
WHERE id = :id AND forge_status IS DISTINCT FROM CAST(:forge_status AS jsonb)
RETURNING id
