-- Waits for whoever takes the same content at the same time.
INSERT INTO webhook_deliveries (id, tenant_id, webhook_id, content, event)
VALUES (:id, :tenant_id, :webhook_id, :content, :event)
ON CONFLICT (webhook_id, content) DO UPDATE SET times = least(webhook_deliveries.times + 1, 1000000000)
RETURNING id, verdict, why, task_id, change_id, times
