SELECT id, number, source_url FROM tasks
WHERE project_id = :project_id AND source_url IS NOT NULL AND NOT source_told
ORDER BY id LIMIT :limit
