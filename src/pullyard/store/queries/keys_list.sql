-- A member's own are shown to that member alone.
SELECT id, project_id, member_id, provider, created_at, updated_at,
    ARRAY(SELECT jsonb_object_keys(boxes) ORDER BY 1) AS sealed_to
FROM provider_keys
WHERE tenant_id = :tenant_id AND (member_id IS NULL OR member_id = CAST(:member_id AS text))
    AND (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
