-- The projects of these executions, in the one order in which everybody takes several.
SELECT q.project_id FROM project_queue q
WHERE q.project_id IN (SELECT e.project_id FROM task_executions e WHERE e.id = ANY (CAST(:ids AS text[])))
ORDER BY q.project_id
FOR UPDATE OF q
