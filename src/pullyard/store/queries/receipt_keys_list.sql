SELECT w.id, w.name, left(w.facts ->> 'receipt_key', 100) AS key, w.revoked_at, w.removed_at
FROM workers w
WHERE w.tenant_id = :tenant_id AND w.facts ->> 'receipt_key' IS NOT NULL
    AND (CAST(:key AS text) IS NULL OR w.facts ->> 'receipt_key' = :key)
    AND (CAST(:before AS text) IS NULL OR w.id < :before)
ORDER BY w.id DESC LIMIT :limit
