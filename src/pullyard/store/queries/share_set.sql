UPDATE task_executions SET
    share_micros = CAST(:micros AS bigint),
    share_tokens = CAST(:tokens AS bigint),
    share_number = :number
WHERE id = :id
