INSERT INTO webhooks (id, tenant_id, project_id, forge, secret)
VALUES (:id, :tenant_id, :project_id, :forge, :secret)
