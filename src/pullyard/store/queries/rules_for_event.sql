SELECT id, project_id, member_id, name, conditions, template FROM event_rules
WHERE tenant_id = :tenant_id AND enabled AND :type LIKE type_like AND :source LIKE source_like
ORDER BY project_id, id LIMIT :limit
