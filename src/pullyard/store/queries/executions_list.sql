SELECT id, task_id, project_id, worker_id, state, reason, message, correlation_id, phase_seconds, receipt,
    salvage_ref, resumed_from, input_tokens, output_tokens, cost_micros, facts #- '{salvage,repositories}' AS facts,
    question - ARRAY['diff', 'diffstat', 'receipt'] AS question, queued_at, assigned_at,
    started_at, finished_at
FROM task_executions
WHERE tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    AND (CAST(:task_id AS text) IS NULL OR task_id = :task_id)
    AND (CAST(:state AS text) IS NULL OR state = :state)
    AND (NOT CAST(:salvaged AS boolean) OR salvage_ref IS NOT NULL)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
