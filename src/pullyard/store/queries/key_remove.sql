DELETE FROM provider_keys
WHERE tenant_id = :tenant_id AND id = :id AND (member_id IS NULL OR member_id = CAST(:member_id AS text))
RETURNING id
