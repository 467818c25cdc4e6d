SELECT DISTINCT labels FROM workers WHERE tenant_id = :tenant_id AND state NOT IN ('offline', 'quarantined')
