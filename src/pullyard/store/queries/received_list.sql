SELECT id, source, event_id, type, attributes, data, matched, outcomes, received_at
FROM received_events
WHERE tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:matched AS boolean) IS NULL OR matched = :matched)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
