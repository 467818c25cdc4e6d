UPDATE tasks SET source_told = true WHERE project_id = :project_id AND id = ANY (CAST(:ids AS text[]))
