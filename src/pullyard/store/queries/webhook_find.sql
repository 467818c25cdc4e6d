SELECT w.id, w.tenant_id, w.project_id, w.forge, w.secret, p.repository, p.forge_events
FROM webhooks w JOIN projects p ON p.id = w.project_id
WHERE w.id = :id
