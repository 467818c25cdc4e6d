-- In one order everywhere, so that nobody waits for somebody who waits for him.
SELECT project_id FROM project_queue
WHERE tenant_id = :tenant_id AND project_id = ANY (CAST(:ids AS text[]))
ORDER BY project_id FOR UPDATE
