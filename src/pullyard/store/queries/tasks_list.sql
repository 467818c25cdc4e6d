SELECT t.id, t.project_id, t.number, t.title, t.description, t.acceptance_criteria, t.target_files,
    t.verify_commands, t.priority, t.position, t.labels, t.budget_micros, t.budget_tokens, t.base_branch, t.agent, t.workflow, t.repositories, t.signature,
    t.state,
    -- While its project's automation does not run, or a budget is spent, a queued task is claimed by nobody.
    CASE
        WHEN t.state = 'queued' AND NOT q.active THEN 'automation'
        WHEN t.state = 'queued' AND (q.spent_until > now()
            OR (SELECT n.spent_until FROM tenants n WHERE n.id = :tenant_id) > now()) THEN 'budget'
        WHEN t.state = 'queued' AND t.quota_until > now() THEN 'quota'
        ELSE t.pending_reason
    END AS pending_reason,
    t.reason, t.message, t.execution_id, t.change_id, t.source, t.list_key, t.resolves, t.comparison_id, t.tries, t.version,
    t.created_at, t.updated_at, t.finished_at, l.labels AS needed_labels, t.draft, t.start_at, t.retry, t.schedule_id,
    t.source_url, t.overlapping AS overlaps, t.waits_for,
    CASE WHEN t.state = 'pending' THEN t.not_before
        WHEN t.state = 'queued' AND t.quota_until > now() THEN t.quota_until END AS held_until,
    ARRAY(SELECT d.depends_on FROM task_dependencies d WHERE d.task_id = t.id ORDER BY 1) AS depends_on,
    ARRAY(SELECT d.depends_on FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = t.id AND (o.state <> 'completed' OR o.undecided) ORDER BY 1) AS open_dependencies
FROM tasks t JOIN lanes l ON l.id = t.lane_id JOIN project_queue q ON q.project_id = t.project_id
WHERE t.tenant_id = :tenant_id
    AND (CAST(:project_id AS text) IS NULL OR t.project_id = :project_id)
    AND (CAST(:number AS bigint) IS NULL OR t.number = :number)
    AND (CAST(:state AS text) IS NULL OR t.state = :state)
    AND (CAST(:before AS text) IS NULL OR t.id < :before)
ORDER BY t.id DESC LIMIT :limit
