DELETE FROM budgets WHERE tenant_id = :tenant_id AND id = :id RETURNING project_id, scope
