UPDATE task_executions SET
    state = 'waiting_input',
    question = CAST(:question AS jsonb) || jsonb_build_object('asked_at', now()),
    acknowledged_at = coalesce(acknowledged_at, now()),
    started_at = coalesce(started_at, now())
WHERE id = :id
