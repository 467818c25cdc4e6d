SELECT t.draft, coalesce(t.start_at > now(), false) AS starts_later,
    t.target_files <> '[]' OR t.overlapping <> '[]' AS watched,
    (SELECT count(*) FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = t.id AND (o.state <> 'completed' OR o.undecided)) AS open_dependencies,
    (SELECT min(o.number) FROM task_dependencies d JOIN tasks o ON o.id = d.depends_on
        WHERE d.task_id = t.id AND o.state IN ('failed', 'cancelled') AND NOT o.undecided) AS ended_dependency
FROM tasks t WHERE t.id = :id
