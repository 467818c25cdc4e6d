SELECT role FROM members WHERE id = :id AND tenant_id = :tenant_id
