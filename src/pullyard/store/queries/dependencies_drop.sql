DELETE FROM task_dependencies WHERE task_id = ANY (CAST(:ids AS text[]))
