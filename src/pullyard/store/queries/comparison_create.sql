INSERT INTO comparisons (id, tenant_id, project_id, member_id, title, choose, candidates, budget_micros, budget_tokens)
VALUES (:id, :tenant_id, :project_id, :member_id, :title, :choose, :candidates, :budget_micros, :budget_tokens)
