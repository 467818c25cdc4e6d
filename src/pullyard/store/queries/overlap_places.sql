-- The projects in which a task waits that aims at files of a repository where something has changed.
SELECT DISTINCT p.tenant_id, p.id
FROM tasks t
JOIN projects p ON p.id = t.project_id
JOIN projects home ON home.tenant_id = p.tenant_id AND home.repository = p.repository
WHERE home.id = ANY (CAST(:project_ids AS text[]))
    AND t.target_files <> '[]' AND t.state IN ('pending', 'queued', 'running', 'waiting')
    AND t.state IN ('pending', 'queued')
ORDER BY p.id
