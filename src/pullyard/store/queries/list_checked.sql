UPDATE tasks SET list_checked = true
WHERE project_id = :project_id AND list_key = ANY (CAST(:keys AS text[])) AND state = 'completed'
