SELECT id, project_id, name, enabled, type_pattern, source_pattern, conditions, template AS task, version, created_at,
    updated_at
FROM event_rules
WHERE tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR id = :id)
    AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
