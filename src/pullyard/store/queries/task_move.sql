UPDATE tasks SET
    state = :state,
    pending_reason = :pending_reason,
    not_before = now() + make_interval(secs => CAST(:delay_seconds AS double precision)),
    reason = :reason,
    message = :message,
    finished_at = CASE WHEN :final THEN now() END,
    queued_at = CASE WHEN :queued THEN now() ELSE queued_at END,
    version = version + 1,
    updated_at = now()
WHERE id = :id
