SELECT id FROM budgets
WHERE tenant_id = :tenant_id AND coalesce(project_id, '') = coalesce(CAST(:project_id AS text), '')
    AND scope = :scope AND period = :period
