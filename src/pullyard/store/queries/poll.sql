-- The worker that asks, and beside it what this request was already given and may never have arrived.
SELECT w.labels, w.slots,
    EXISTS (SELECT 1 FROM errands o WHERE o.tenant_id = w.tenant_id AND o.state IN ('requested', 'assigned'))
        AS errands_open, w.protocol_version,
    CAST(extract(epoch FROM e.assigned_at - e.queued_at) AS double precision) AS queued_seconds,
    e.id AS execution_id, e.fence, e.worker_id, e.correlation_id, e.resumed_from,
    t.id AS task_id, t.number, t.title, t.description, t.acceptance_criteria, t.target_files, t.budget_micros,
    t.base_branch, t.agent AS task_agent, t.verify_commands AS task_verify,
    t.slug AS task_slug, t.source_url,
    p.id AS project_id, p.name AS project_name, coalesce(r.repository_url, p.repository) AS repository,
    p.forge, p.default_branch,
    p.agent AS project_agent, p.setup_commands, p.verify_commands AS project_verify, p.limits, p.text_policy,
    t.workflow, t.repositories, p.workflow_nodes, p.isolation, p.change_rules, t.signature,
    -- The change that the task goes on with, for few.
    r.id AS change_id, r.branch AS change_branch, r.commit AS change_commit, r.base_branch AS change_base_branch,
    r.base_commit AS change_base_commit, r.repository AS change_repository,
    compared.candidates,
    -- What the execution that it goes on from has published, where that was no unfinished work.
    (SELECT s.commit FROM changes s WHERE s.execution_id = e.resumed_from AND s.repository IS NULL) AS resumed_commit
FROM workers w
-- By its request alone: with a bare worker_id or "finished_at IS NULL" in here the planner may walk all that the
-- worker has ever done, or all that is live.
LEFT JOIN task_executions e ON e.request_id = :request_id AND e.acknowledged_at IS NULL
    AND e.worker_id || '' = w.id AND coalesce(e.finished_at, 'infinity') = 'infinity'
LEFT JOIN tasks t ON t.id = e.task_id
LEFT JOIN projects p ON p.id = e.project_id
LEFT JOIN changes r ON r.id = t.responds_to
LEFT JOIN comparisons compared ON compared.id = t.comparison_id
WHERE w.id = :worker_id AND w.tenant_id = :tenant_id
ORDER BY e.fence
