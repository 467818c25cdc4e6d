UPDATE project_queue SET lane_ids = coalesce(
    (SELECT array_agg(DISTINCT lane_id) FROM tasks WHERE project_id = :project_id AND state = 'queued'), '{}')
WHERE project_id = :project_id
