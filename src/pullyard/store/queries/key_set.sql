INSERT INTO provider_keys AS k (id, tenant_id, project_id, member_id, provider, boxes)
VALUES (:id, :tenant_id, :project_id, :member_id, :provider, CAST(:boxes AS jsonb))
ON CONFLICT (tenant_id, coalesce(project_id, ''), coalesce(member_id, ''), provider) DO UPDATE SET
    boxes = excluded.boxes,
    updated_at = now()
RETURNING id
