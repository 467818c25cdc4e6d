SELECT id FROM lanes
WHERE tenant_id = :tenant_id AND labels = CAST(:labels AS text[]) AND member_id = coalesce(CAST(:member_id AS text), '')
