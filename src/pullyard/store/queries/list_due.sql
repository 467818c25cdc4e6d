UPDATE task_lists SET due_at = now() + make_interval(secs => CAST(:seconds AS double precision))
WHERE project_id = :project_id
