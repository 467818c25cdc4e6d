SELECT state, labels, slots FROM workers WHERE id = :id AND tenant_id = :tenant_id
