UPDATE task_executions SET
    state = :state,
    reason = :reason,
    message = :message,
    facts = facts || CAST(:facts AS jsonb),
    phase_seconds = :phase_seconds,
    receipt = :receipt,
    salvage_ref = :salvage_ref,
    input_tokens = :input_tokens,
    output_tokens = :output_tokens,
    cost_micros = :cost_micros,
    finished_at = now()
WHERE id = :id
