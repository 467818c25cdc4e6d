INSERT INTO lanes (tenant_id, labels) VALUES (:tenant_id, :labels)
ON CONFLICT (tenant_id, labels) DO UPDATE SET labels = EXCLUDED.labels
RETURNING id
