UPDATE tasks SET
    state = :state,
    pending_reason = CAST(:pending_reason AS text),
    -- Null for what ends by an event and not by a time, so that no caretaker queues it.
    not_before = CASE WHEN CAST(:pending_reason AS text) = 'scheduled' THEN start_at
        ELSE now() + make_interval(secs => CAST(:delay_seconds AS double precision)) END,
    reason = :reason,
    message = :message,
    finished_at = CASE WHEN :final THEN now() END,
    queued_at = CASE WHEN :queued THEN now() ELSE queued_at END,
    version = version + 1,
    updated_at = now()
WHERE id = :id
