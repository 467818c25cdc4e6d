SELECT id, source, event_id, type, attributes, data, matched, outcomes, received_at
FROM received_events WHERE tenant_id = :tenant_id AND identity = :identity
