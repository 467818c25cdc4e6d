SELECT p.id, p.tenant_id, p.automation, p.automation_policy, p.automation_reason, p.automation_message,
    p.automation_task_id, p.automation_at, p.text_policy, p.agent
FROM projects p WHERE p.id = :project_id AND p.tenant_id = :tenant_id
