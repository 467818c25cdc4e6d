SELECT change_rules ->> 'overlap' = 'queue' FROM projects WHERE id = :id
