SELECT state, count(*) AS tasks, max(finished_at) AS newest FROM tasks WHERE project_id = :project_id GROUP BY state
