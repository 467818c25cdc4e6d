SELECT t.comparison_id, t.id AS task_id, t.number, t.agent, t.state,
    CASE
        WHEN t.state = 'queued' AND NOT q.active THEN 'automation'
        WHEN t.state = 'queued' AND (q.spent_until > now()
            OR (SELECT n.spent_until FROM tenants n WHERE n.id = :tenant_id) > now()) THEN 'budget'
        WHEN t.state = 'queued' AND t.quota_until > now() THEN 'quota'
        ELSE t.pending_reason
    END AS pending_reason, t.reason, t.message, t.tries,
    t.execution_id, t.change_id, t.finished_at, c.state AS change_state, c.branch, c.url,
    CAST(tried.seconds AS double precision) AS seconds, tried.input_tokens, tried.output_tokens, tried.cost_micros,
    shown.receipt -> 'passed' AS passed, jsonb_array_length(coalesce(shown.receipt -> 'commands', '[]')) AS commands,
    jsonb_path_query_array(coalesce(shown.receipt, '{}'), '$.commands[*].tests ? (@ != null)') AS tests,
    size.files, size.additions, size.deletions,
    (SELECT to_jsonb(newest) FROM (
        SELECT r.id, r.kind, r.state, r.message, r.created_at FROM errands r
        WHERE r.change_id = t.change_id AND r.kind <> 'look' ORDER BY r.id DESC LIMIT 1
    ) newest) AS errand
FROM tasks t JOIN project_queue q ON q.project_id = t.project_id
LEFT JOIN changes c ON c.id = t.change_id
LEFT JOIN task_executions shown ON shown.id = coalesce(c.execution_id, t.execution_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(extract(epoch FROM coalesce(e.finished_at, now()) - e.assigned_at)), 0) AS seconds,
        CAST(coalesce(sum(e.input_tokens), 0) AS bigint) AS input_tokens,
        CAST(coalesce(sum(e.output_tokens), 0) AS bigint) AS output_tokens,
        CAST(coalesce(sum(e.cost_micros), 0) AS bigint) AS cost_micros
    FROM task_executions e WHERE e.task_id = t.id
) tried
CROSS JOIN LATERAL (
    SELECT CAST(coalesce(sum(jsonb_array_length(d.diffstat -> 'files')), 0) AS bigint) AS files,
        CAST(coalesce(sum(CAST(d.diffstat ->> 'additions' AS bigint)), 0) AS bigint) AS additions,
        CAST(coalesce(sum(CAST(d.diffstat ->> 'deletions' AS bigint)), 0) AS bigint) AS deletions
    FROM changes d
    WHERE d.id IN (SELECT t.change_id UNION
        SELECT x.id FROM task_executions e JOIN changes x ON x.execution_id = e.id WHERE e.task_id = t.id)
) size
WHERE t.tenant_id = :tenant_id AND t.comparison_id = ANY (CAST(:ids AS text[]))
ORDER BY t.number
