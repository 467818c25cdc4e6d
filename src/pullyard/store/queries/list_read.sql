UPDATE task_lists SET
    state = 'read',
    message = '',
    commit = :commit,
    blob = :blob,
    items = :items,
    done = :done,
    keys = :keys,
    warnings = :warnings,
    read_at = now()
WHERE project_id = :project_id
