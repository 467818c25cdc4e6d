UPDATE task_executions SET
    state = :state,
    facts = facts || CAST(:facts AS jsonb),
    acknowledged_at = coalesce(acknowledged_at, now()),
    started_at = coalesce(started_at, now())
WHERE id = :id
