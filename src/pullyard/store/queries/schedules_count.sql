SELECT count(*) FROM schedules WHERE project_id = :project_id
