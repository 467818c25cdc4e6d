UPDATE tenants SET max_running = CAST(:max_running AS integer) WHERE id = :id
