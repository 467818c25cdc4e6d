INSERT INTO received_events (id, tenant_id, identity, source, event_id, type, attributes, data)
VALUES (:id, :tenant_id, :identity, :source, :event_id, :type, :attributes, CAST(:data AS jsonb))
ON CONFLICT (tenant_id, identity) DO NOTHING
