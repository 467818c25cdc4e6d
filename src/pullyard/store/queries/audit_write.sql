INSERT INTO audit_log (id, tenant_id, member_id, credential_id, action, target, project_id, details, request_id,
    address)
VALUES (:id, :tenant_id, :member_id, :credential_id, :action, :target, :project_id, :details, :request_id,
    :address)
