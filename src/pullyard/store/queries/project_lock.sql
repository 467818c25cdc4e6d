SELECT project_id FROM project_queue WHERE project_id = :project_id AND tenant_id = :tenant_id FOR UPDATE
