SELECT w.id, w.name, w.state, w.labels, w.arch, w.slots, w.software_version, w.protocol_version, w.facts,
    w.enrolled_at, w.seen_at, w.quarantine_reason, w.revoked_at,
    (SELECT count(*) FROM task_executions e WHERE e.worker_id = w.id AND e.finished_at IS NULL) AS running
FROM workers w
WHERE w.tenant_id = :tenant_id AND w.removed_at IS NULL
    AND (CAST(:id AS text) IS NULL OR w.id = :id)
    AND (CAST(:before AS text) IS NULL OR w.id < :before)
ORDER BY w.id DESC LIMIT :limit
