SELECT c.id, c.project_id, c.task_id, c.execution_id, c.state, c.repository, c.branch, c.base_branch, c.base_commit, c.commit,
    c.merged_commit, c.title, c.body, c.diffstat, c.diff IS NOT NULL AS has_diff,
    CASE WHEN c.repository IS NULL THEN e.receipt ELSE c.receipt END AS receipt, c.url, c.forge_status, c.attention, c.version,
    c.created_at, c.updated_at,
    (SELECT to_jsonb(newest) FROM (
        SELECT r.id, r.kind, r.state, r.message, r.created_at FROM errands r
        WHERE r.change_id = c.id AND r.kind <> 'look' ORDER BY r.id DESC LIMIT 1
    ) newest) AS errand,
    CASE WHEN c.state = 'open' THEN CASE
            WHEN c.base_conflicts ->> 'commit' = c.commit AND CAST(c.base_conflicts ->> 'total' AS integer) > 0
            THEN jsonb_build_array(jsonb_build_object('change_id', NULL, 'branch', c.base_branch,
                'files', c.base_conflicts -> 'files', 'total', c.base_conflicts -> 'total'))
            ELSE '[]' END || coalesce((
        SELECT jsonb_agg(jsonb_build_object('change_id', o.id, 'branch', o.branch, 'files', k.files,
            'total', k.total) ORDER BY o.id DESC)
        FROM change_conflicts k JOIN changes o ON o.id = CASE WHEN k.one_id = c.id THEN k.other_id ELSE k.one_id END
        WHERE (k.one_id = c.id OR k.other_id = c.id) AND k.total > 0 AND o.state = 'open'
            AND k.one_commit = CASE WHEN k.one_id = c.id THEN c.commit ELSE o.commit END
            AND k.other_commit = CASE WHEN k.one_id = c.id THEN o.commit ELSE c.commit END
        ), '[]')
    ELSE '[]' END AS conflicts,
    CASE WHEN c.approved_commit = c.commit THEN (
        SELECT jsonb_build_object('member_id', m.id, 'member_name', m.name, 'at', c.approved_at)
        FROM members m WHERE m.id = c.approved_by) END AS approval,
    (SELECT jsonb_build_object('task_id', u.id, 'task_number', u.number, 'state', u.state, 'because_of', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('change_id', m.id, 'task_number', mt.number,
                'title', m.title) ORDER BY m.id), '[]')
            FROM changes m JOIN tasks mt ON mt.id = m.task_id WHERE m.id = ANY (c.updated_for)))
        FROM tasks u WHERE u.id = c.update_task_id) AS update,
    t.number AS task_number, t.priority, t.comparison_id, t.undecided,
    (SELECT CAST(coalesce(sum(x.cost_micros), 0) AS bigint) FROM task_executions x
        -- With an OR, all executions there are would be read for each change.
        WHERE x.task_id IN (SELECT c.task_id UNION ALL SELECT r.id FROM tasks r WHERE r.responds_to = c.id)) AS cost_micros,
    (SELECT coalesce(jsonb_agg(to_jsonb(newest)), '[]') FROM (
        SELECT r.id AS task_id, r.number, r.title, r.state, r.created_at FROM tasks r
        WHERE r.responds_to = c.id ORDER BY r.id DESC LIMIT 20
    ) newest) AS responses
FROM changes c JOIN task_executions e ON e.id = c.execution_id JOIN tasks t ON t.id = c.task_id
WHERE c.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR c.id = :id)
    AND (CAST(:project_id AS text) IS NULL OR c.project_id = :project_id)
    AND (CAST(:task_id AS text) IS NULL OR c.task_id = :task_id)
    AND (CAST(:state AS text) IS NULL OR c.state = :state)
    AND (CAST(:before AS text) IS NULL OR c.id < :before)
ORDER BY c.id DESC LIMIT :limit
