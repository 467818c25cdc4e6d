SELECT
    (SELECT count(*) FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = :id AND o.state <> 'completed') AS open_dependencies,
    (SELECT newest.id FROM (
        SELECT id, salvage_ref FROM task_executions WHERE task_id = :id ORDER BY id DESC LIMIT 1
    ) newest WHERE newest.salvage_ref IS NOT NULL) AS salvaged_execution
