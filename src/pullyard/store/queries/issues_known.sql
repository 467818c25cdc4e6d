SELECT p.forge_events, ARRAY(
    SELECT substring(t.source_url FROM '[0-9]+$') FROM tasks t
    WHERE t.project_id = p.id AND t.source_url IS NOT NULL ORDER BY t.id DESC LIMIT :limit) AS known
FROM projects p WHERE p.id = :project_id
