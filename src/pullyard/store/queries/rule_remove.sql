DELETE FROM event_rules WHERE id = :id AND tenant_id = :tenant_id
