UPDATE task_lists SET again = :again WHERE project_id = :project_id
