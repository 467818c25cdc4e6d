UPDATE task_executions SET extra_micros = extra_micros + :micros, extra_tokens = extra_tokens + :tokens WHERE id = :id
