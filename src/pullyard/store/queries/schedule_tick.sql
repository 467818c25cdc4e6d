UPDATE schedules SET
    next_at = :next_at,
    last_tick = :last_tick,
    last_task_id = coalesce(:task_id, last_task_id),
    last_outcome = :outcome
WHERE id = :id
