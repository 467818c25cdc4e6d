SELECT id, member_id, credential_id, action, target, project_id, details, request_id, address, at
FROM audit_log
WHERE tenant_id = :tenant_id
    AND (CAST(:member_id AS text) IS NULL OR member_id = :member_id)
    AND (CAST(:action AS text) IS NULL OR action = :action)
    AND (CAST(:target AS text) IS NULL OR target = :target)
    AND (CAST(:project_id AS text) IS NULL OR project_id = :project_id)
    AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
