SELECT id, commit FROM changes
WHERE project_id = :project_id AND state = 'open' AND repository IS NULL AND compared_at IS NULL
    AND diffstat -> 'files' <> '[]'
LIMIT 1000
