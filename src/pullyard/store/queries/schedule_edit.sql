UPDATE schedules SET
    name = :name,
    cron = :cron,
    time_zone = :time_zone,
    template = :template,
    member_id = :member_id,
    enabled = :enabled,
    overlap = :overlap,
    next_at = :next_at,
    version = version + 1,
    updated_at = now()
WHERE id = :id
