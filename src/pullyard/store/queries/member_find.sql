SELECT id, name, tenant_id FROM members WHERE id = :id
