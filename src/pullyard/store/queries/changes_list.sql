SELECT c.id, c.project_id, c.task_id, c.execution_id, c.state, c.repository, c.branch, c.base_branch, c.base_commit, c.commit,
    c.merged_commit, c.title, c.body, c.diffstat, c.diff IS NOT NULL AS has_diff,
    CASE WHEN c.repository IS NULL THEN e.receipt ELSE c.receipt END AS receipt, c.url, c.forge_status, c.attention, c.version,
    c.created_at, c.updated_at,
    (SELECT to_jsonb(newest) FROM (
        SELECT r.id, r.kind, r.state, r.message, r.created_at FROM errands r
        WHERE r.change_id = c.id AND r.kind <> 'look' ORDER BY r.id DESC LIMIT 1
    ) newest) AS errand
FROM changes c JOIN task_executions e ON e.id = c.execution_id
WHERE c.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR c.id = :id)
    AND (CAST(:project_id AS text) IS NULL OR c.project_id = :project_id)
    AND (CAST(:task_id AS text) IS NULL OR c.task_id = :task_id)
    AND (CAST(:state AS text) IS NULL OR c.state = :state)
    AND (CAST(:before AS text) IS NULL OR c.id < :before)
ORDER BY c.id DESC LIMIT :limit
