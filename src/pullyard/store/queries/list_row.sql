SELECT l.project_id, l.tenant_id, l.path, l.state, l.message, l.commit, l.blob, l.items, l.done, l.keys, l.warnings,
    l.read_at, l.due_at,
    l.again,
    EXISTS (SELECT 1 FROM errands e WHERE e.project_id = l.project_id
        AND e.kind IN ('read-task-list', 'write-task-list') AND e.state = 'assigned') AS given,
    EXISTS (SELECT 1 FROM errands e WHERE e.project_id = l.project_id
        AND e.kind IN ('read-task-list', 'write-task-list') AND e.state IN ('requested', 'assigned')) AS under_way
FROM task_lists l WHERE l.project_id = :project_id
