UPDATE members SET max_running = CAST(:max_running AS integer) WHERE id = :id AND tenant_id = :tenant_id
