SELECT
    (SELECT count(*) FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = :id AND (o.state <> 'completed' OR o.undecided)) AS open_dependencies,
    (SELECT target_files <> '[]' FROM tasks WHERE id = :id) AS watched,
    saved.id AS salvaged_execution, coalesce(saved.dropped, false) AS salvage_dropped
FROM (SELECT) AS one_row LEFT JOIN LATERAL
    (SELECT id, facts #> '{salvage,dropped}' = 'true' AND facts #> '{salvage,pushed}' IS DISTINCT FROM 'true' AS dropped
        FROM task_executions WHERE task_id = :id AND salvage_ref IS NOT NULL
        ORDER BY id DESC LIMIT 1) AS saved ON true
