SELECT e.id AS execution_id, e.fence, e.worker_id, e.correlation_id, e.resumed_from,
    t.id AS task_id, t.number, t.title, t.description, t.acceptance_criteria, t.target_files, t.budget_micros,
    t.base_branch, t.agent AS task_agent, t.verify_commands AS task_verify,
    p.id AS project_id, p.name AS project_name, p.repository, p.forge, p.default_branch,
    p.agent AS project_agent, p.setup_commands, p.verify_commands AS project_verify, p.limits, p.text_policy
FROM task_executions e
JOIN tasks t ON t.id = e.task_id
JOIN projects p ON p.id = e.project_id
WHERE e.worker_id = :worker_id AND e.request_id = :request_id AND e.finished_at IS NULL
    AND e.acknowledged_at IS NULL
ORDER BY e.fence
