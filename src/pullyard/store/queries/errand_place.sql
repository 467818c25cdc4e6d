SELECT project_id FROM errands WHERE id = :id AND tenant_id = :tenant_id
