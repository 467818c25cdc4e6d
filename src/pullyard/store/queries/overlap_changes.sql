-- The newest open changes of the project's repository, whatever project they are of, each with its first files.
SELECT c.id, c.task_id, c.base_branch, t.comparison_id, coalesce(t.base_branch, p.default_branch) AS wished_base,
    ARRAY(SELECT left(f ->> 'path', 4096) FROM jsonb_array_elements(c.diffstat -> 'files') f
        LIMIT CAST(:most_files AS integer)) AS files
FROM projects home
JOIN projects p ON p.tenant_id = home.tenant_id AND p.repository = home.repository
JOIN changes c ON c.project_id = p.id AND c.state = 'open' AND c.repository IS NULL
JOIN tasks t ON t.id = c.task_id
WHERE home.id = :project_id AND home.tenant_id = :tenant_id
ORDER BY c.id DESC LIMIT CAST(:most AS integer)
