-- Taken by one replica; where that ends in the middle of it, it is due again. One of a device: while it is
-- under way, and for a while after the device could not be told, the others wait. Of a member's devices a few: this
-- replica tells one of each of :under_way just now.
WITH ready AS (
    SELECT DISTINCT ON (w.device_id) w.device_id, w.cursor, w.due_at, d.member_id
    FROM push_deliveries w
    JOIN push_devices d ON d.id = w.device_id
    JOIN credentials c ON c.id = d.credential_id
        AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
    JOIN events e ON e.cursor = w.cursor AND e.tenant_id = d.tenant_id
    WHERE w.due_at <= now() AND NOT EXISTS (
        SELECT 1 FROM push_deliveries tried
        WHERE tried.device_id = w.device_id AND tried.attempts > 0
            AND tried.due_at > now() + make_interval(secs => greatest(0,
                CAST(:first_retry_seconds AS float) * power(4, tried.attempts - 1) - :quiet_seconds))
    )
    ORDER BY w.device_id, w.due_at, w.cursor
),
placed AS (
    SELECT device_id, cursor, row_number() OVER (PARTITION BY member_id ORDER BY due_at, cursor)
        + cardinality(array_positions(CAST(:under_way AS text[]), member_id)) AS place
    FROM ready
),
due AS (
    SELECT p.device_id, p.cursor FROM push_deliveries p JOIN placed USING (device_id, cursor)
    WHERE p.due_at <= now() AND placed.place <= :of_a_member
    ORDER BY placed.place, p.due_at LIMIT :limit FOR UPDATE OF p SKIP LOCKED
),
taken AS (
    UPDATE push_deliveries p SET attempts = p.attempts + 1,
        due_at = now() + make_interval(secs => CAST(:first_retry_seconds AS float) * power(4, p.attempts))
    FROM due WHERE p.device_id = due.device_id AND p.cursor = due.cursor
    RETURNING p.device_id, p.cursor, p.attempts
)
SELECT taken.device_id, taken.cursor, taken.attempts, d.member_id, d.endpoint, d.p256dh, d.auth,
    e.kind, e.project_id, e.task_id, e.execution_id, e.payload, e.at, t.title
FROM taken
JOIN push_devices d ON d.id = taken.device_id
JOIN events e ON e.cursor = taken.cursor AND e.tenant_id = d.tenant_id
LEFT JOIN tasks t ON t.id = e.task_id AND t.tenant_id = e.tenant_id
