UPDATE task_executions SET
    state = :state,
    reason = :reason,
    message = :message,
    facts = facts || CAST(:facts AS jsonb),
    phase_seconds = :phase_seconds,
    receipt = :receipt,
    salvage_ref = :salvage_ref,
    -- A worker that was killed meanwhile may know of less than it has told.
    input_tokens = greatest(input_tokens, :input_tokens),
    output_tokens = greatest(output_tokens, :output_tokens),
    cost_micros = greatest(cost_micros, :cost_micros),
    finished_at = now()
WHERE id = :id
