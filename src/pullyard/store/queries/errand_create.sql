INSERT INTO errands (id, tenant_id, project_id, change_id, kind, state)
VALUES (:id, :tenant_id, :project_id, :change_id, :kind, 'requested')
RETURNING id, kind, state, message, created_at
