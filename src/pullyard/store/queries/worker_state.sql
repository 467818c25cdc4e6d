SELECT state FROM workers WHERE id = :id AND tenant_id = :tenant_id AND removed_at IS NULL FOR UPDATE
