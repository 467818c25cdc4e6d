UPDATE task_lists SET state = 'read', message = '', commit = :commit, read_at = now() WHERE project_id = :project_id
