SELECT id, fence, cancel_requested, acknowledged_at IS NOT NULL AS acknowledged,
    CASE WHEN question ? 'answer' AND NOT question ? 'taken' THEN question END AS answered
FROM task_executions WHERE worker_id = :worker_id AND finished_at IS NULL
