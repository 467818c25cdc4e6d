UPDATE event_rules SET
    name = :name,
    enabled = :enabled,
    type_pattern = :type_pattern,
    source_pattern = :source_pattern,
    type_like = :type_like,
    source_like = :source_like,
    conditions = :conditions,
    template = :template,
    version = version + 1,
    updated_at = now()
WHERE id = :id
