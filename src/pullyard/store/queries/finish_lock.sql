-- The projects of these executions, in the one order in which everybody takes several. Nobody has a project locked
-- that is not its own: what another worker or fence holds is passed over, as in finish_group.sql.
SELECT q.project_id FROM project_queue q
WHERE q.project_id IN (
    SELECT e.project_id FROM jsonb_to_recordset(CAST(:wishes AS jsonb)) AS w (id text, tenant_id text, worker_id text,
        fence bigint)
    JOIN task_executions e ON e.id = w.id
    WHERE e.tenant_id = w.tenant_id AND e.worker_id = w.worker_id AND e.fence = w.fence)
ORDER BY q.project_id
FOR UPDATE OF q
