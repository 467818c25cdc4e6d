UPDATE task_executions SET
    input_tokens = :input_tokens,
    output_tokens = :output_tokens,
    cost_micros = :cost_micros,
    usage_told_at = CASE WHEN CAST(:told AS boolean) THEN now() ELSE usage_told_at END
WHERE id = :id
