UPDATE workers SET state = 'offline'
WHERE state = ANY (CAST(:states AS text[])) AND lease_expires_at < now()
RETURNING id, tenant_id
