-- Another path is another list: what was known of the old one is forgotten.
INSERT INTO task_lists AS l (project_id, tenant_id, path, state)
VALUES (:project_id, :tenant_id, :path, 'waiting')
ON CONFLICT (project_id) DO UPDATE SET
    path = EXCLUDED.path, state = 'waiting', message = '', commit = NULL, blob = NULL, items = 0, done = 0,
    keys = '[]', warnings = '[]', read_at = NULL
WHERE l.path <> EXCLUDED.path
