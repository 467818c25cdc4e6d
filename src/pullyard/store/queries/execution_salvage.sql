SELECT e.id AS execution_id, e.task_id, e.project_id, e.worker_id, w.name AS worker_name,
    e.salvage_ref AS reference, coalesce(e.facts #> '{salvage,repositories}', '[]') AS repositories,
    coalesce(e.facts #> '{salvage,dropped}' = 'true', false)
        AND e.facts #> '{salvage,pushed}' IS DISTINCT FROM 'true' AS dropped
FROM task_executions e LEFT JOIN workers w ON w.id = e.worker_id
WHERE e.id = :id AND e.tenant_id = :tenant_id AND e.salvage_ref IS NOT NULL
