INSERT INTO event_rules (id, tenant_id, project_id, member_id, name, enabled, type_pattern, source_pattern, type_like,
    source_like, conditions, template)
VALUES (:id, :tenant_id, :project_id, :member_id, :name, :enabled, :type_pattern, :source_pattern, :type_like,
    :source_like, :conditions, :template)
