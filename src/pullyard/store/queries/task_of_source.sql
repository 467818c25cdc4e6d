SELECT id FROM tasks WHERE project_id = :project_id AND source_url = :source_url
