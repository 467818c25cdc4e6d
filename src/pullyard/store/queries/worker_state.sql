SELECT state FROM workers WHERE id = :id AND tenant_id = :tenant_id FOR UPDATE
