INSERT INTO lanes (tenant_id, labels, member_id) VALUES (:tenant_id, :labels, coalesce(CAST(:member_id AS text), ''))
ON CONFLICT (tenant_id, labels, member_id) DO UPDATE SET labels = EXCLUDED.labels
RETURNING id
