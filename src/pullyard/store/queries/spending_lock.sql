-- The execution's own row alone: what was spent is told often, and must not hold up the claims of its project.
SELECT e.id, e.tenant_id, e.project_id, e.task_id, e.worker_id, e.fence, e.state, e.finished_at, e.input_tokens,
    e.output_tokens, e.cost_micros, e.share_micros, e.share_tokens, e.share_number, e.extra_micros, e.extra_tokens,
    e.budget_warned, e.question - ARRAY['diff', 'diffstat', 'receipt'] AS question,
    e.usage_told_at IS NULL OR e.usage_told_at < now() - interval '5 seconds' AS is_news,
    t.budget_micros AS task_micros, t.budget_tokens AS task_tokens
FROM task_executions e JOIN tasks t ON t.id = e.task_id
WHERE e.id = :id AND e.tenant_id = :tenant_id
FOR NO KEY UPDATE OF e
