DELETE FROM webhooks WHERE id = :id AND tenant_id = :tenant_id AND project_id = :project_id
