SELECT
    (SELECT count(*) FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = :id AND o.state <> 'completed') AS open_dependencies,
    (SELECT id FROM task_executions WHERE task_id = :id AND salvage_ref IS NOT NULL
        ORDER BY id DESC LIMIT 1) AS salvaged_execution
