SELECT CAST(coalesce(sum(cost_micros), 0) AS bigint) AS micros,
    CAST(coalesce(sum(input_tokens + output_tokens), 0) AS bigint) AS tokens
FROM task_executions WHERE task_id = :task_id
