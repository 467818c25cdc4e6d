-- Projects with an open change whose merge was not tried yet, and nobody is asked to.
SELECT DISTINCT c.tenant_id, c.project_id FROM changes c
WHERE c.state = 'open' AND c.repository IS NULL AND c.compared_at IS NULL AND c.diffstat -> 'files' <> '[]'
    AND NOT EXISTS (SELECT 1 FROM errands e
        WHERE e.project_id = c.project_id AND e.kind = 'compare' AND e.state IN ('requested', 'assigned'))
ORDER BY c.project_id LIMIT 20
