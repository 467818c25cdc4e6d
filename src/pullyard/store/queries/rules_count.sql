SELECT count(*) FROM event_rules WHERE project_id = :project_id
