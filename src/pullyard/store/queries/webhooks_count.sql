SELECT count(*) FROM webhooks WHERE project_id = :project_id
