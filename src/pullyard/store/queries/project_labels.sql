SELECT labels FROM projects WHERE id = :project_id
