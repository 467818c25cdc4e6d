INSERT INTO schedules (id, tenant_id, project_id, member_id, name, cron, time_zone, template, enabled, overlap,
    next_at)
VALUES (:id, :tenant_id, :project_id, :member_id, :name, :cron, :time_zone, :template, :enabled, :overlap,
    :next_at)
