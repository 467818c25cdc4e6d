-- With the database's time, the only one that decides about a tick.
SELECT s.id, s.tenant_id, s.project_id, s.member_id, s.name, s.cron, s.time_zone, s.template, s.enabled, s.overlap,
    s.next_at, s.version, now() AS now, coalesce(s.next_at <= now(), false) AS due,
    (SELECT min(t.number) FROM tasks t
        WHERE t.schedule_id = s.id AND t.state NOT IN ('completed', 'failed', 'cancelled')) AS unfinished
FROM schedules s WHERE s.id = :id AND s.tenant_id = :tenant_id
