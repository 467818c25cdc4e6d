-- Taken by one replica; where that ends in the middle of it, it is due again.
WITH due AS (
    SELECT device_id, cursor FROM push_deliveries WHERE due_at <= now()
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE push_deliveries p SET attempts = p.attempts + 1,
        due_at = now() + make_interval(secs => CAST(:first_retry_seconds AS float) * power(4, p.attempts))
    FROM due WHERE p.device_id = due.device_id AND p.cursor = due.cursor
    RETURNING p.device_id, p.cursor, p.attempts
)
SELECT taken.device_id, taken.cursor, taken.attempts, d.endpoint, d.p256dh, d.auth,
    e.kind, e.project_id, e.task_id, e.execution_id, e.payload, e.at, t.title
FROM taken
JOIN push_devices d ON d.id = taken.device_id
JOIN events e ON e.cursor = taken.cursor
LEFT JOIN tasks t ON t.id = e.task_id AND t.tenant_id = e.tenant_id
