-- Before the project, as whoever takes a delivery does.
SELECT id FROM webhooks WHERE tenant_id = :tenant_id AND project_id = :project_id ORDER BY id FOR UPDATE
