SELECT id, project_id, name, cron, time_zone, template AS task, enabled, overlap, next_at, last_tick, last_task_id,
    last_outcome, version, created_at, updated_at
FROM schedules
WHERE tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
