-- All of one project, whose lock is held. A dependent that was itself cancelled does not wait any more, and what
-- waits for an undecided candidate waits for its comparison.
SELECT t.id, t.tenant_id, t.project_id, t.number, t.state, t.lane_id, t.pending_reason, t.source, t.resolves,
    (SELECT count(*) FROM task_dependencies other JOIN tasks o ON o.id = other.depends_on
        WHERE other.task_id = t.id AND (o.state <> 'completed' OR o.undecided)) AS open_dependencies
FROM task_dependencies d JOIN tasks t ON t.id = d.task_id JOIN tasks one ON one.id = d.depends_on
WHERE d.depends_on = :id AND NOT one.undecided AND t.state = 'pending' AND t.pending_reason = 'dependency'
ORDER BY t.id
