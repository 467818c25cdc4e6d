SELECT id, tenant_id, project_id, change_id, kind, state, worker_id, fence, given FROM errands
WHERE id = :id AND tenant_id = :tenant_id
FOR UPDATE
