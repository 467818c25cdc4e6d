SELECT id, tenant_id FROM members WHERE role = 'owner' ORDER BY id LIMIT 1
