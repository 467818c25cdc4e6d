SELECT m.id, m.name, m.role, m.max_running, m.created_at,
    (SELECT count(*) FROM task_executions e
        WHERE e.tenant_id = m.tenant_id AND e.member_id = m.id AND e.finished_at IS NULL) AS running
FROM members m
WHERE m.tenant_id = :tenant_id
    AND (CAST(:id AS text) IS NULL OR m.id = :id)
    AND (CAST(:before AS text) IS NULL OR m.id < :before)
ORDER BY m.id DESC LIMIT :limit
