SELECT t.id, t.tenant_id, t.project_id, t.number, t.state, t.lane_id, t.labels, t.tries, t.uncounted_tries,
    t.execution_id, t.version, t.pending_reason, t.member_id, t.draft, t.source, t.resolves,
    t.comparison_id, t.undecided
FROM tasks t WHERE t.id = :id AND t.tenant_id = :tenant_id
