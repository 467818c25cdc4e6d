SELECT t.id, t.tenant_id, t.project_id, t.number, t.state, t.lane_id, t.title, t.description,
    t.acceptance_criteria, t.target_files, t.verify_commands, t.labels, t.budget_micros, t.base_branch, t.agent,
    t.priority, t.reason, t.message, t.source, t.resolutions, t.resolves, t.execution_id, t.member_id,
    e.salvage_ref
FROM tasks t LEFT JOIN task_executions e ON e.id = t.execution_id
WHERE t.id = :id AND t.project_id = :project_id
