SELECT t.id, t.tenant_id, t.project_id, t.number, t.state, t.lane_id, t.labels, t.tries, t.uncounted_tries,
    t.execution_id, t.version, t.pending_reason, t.source, t.resolves, t.priority, t.position, t.list_key,
    t.list_digest
FROM tasks t WHERE t.project_id = :project_id AND t.list_key IS NOT NULL
