SELECT id, tenant_id, project_id, choose, chosen_task_id, decided_at FROM comparisons
WHERE id = :id AND tenant_id = :tenant_id
