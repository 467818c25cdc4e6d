SELECT w.id, w.project_id, w.forge, w.refused, w.refused_at, w.created_at,
    coalesce((SELECT jsonb_agg(to_jsonb(newest)) FROM (
        SELECT d.id, d.event, d.verdict, d.why, d.task_id, d.change_id, d.times, d.received_at
        FROM webhook_deliveries d WHERE d.webhook_id = w.id ORDER BY d.id DESC LIMIT :deliveries
    ) newest), '[]') AS deliveries
FROM webhooks w
WHERE w.tenant_id = :tenant_id AND w.project_id = :project_id
    AND (CAST(:id AS text) IS NULL OR w.id = :id)
    AND (CAST(:before AS text) IS NULL OR w.id < :before)
ORDER BY w.id DESC LIMIT :limit
