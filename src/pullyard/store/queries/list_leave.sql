DELETE FROM task_lists WHERE project_id = :project_id
