-- Which of these ids name something of the tenant's; the kinds' ids never meet.
SELECT id FROM projects WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS text[]))
UNION ALL
SELECT id FROM tasks WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS text[]))
UNION ALL
SELECT id FROM task_executions WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS text[]))
