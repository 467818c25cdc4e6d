SELECT id, tenant_id, project_id, task_id, execution_id, base_branch FROM changes
WHERE update_task_id = :task_id AND state = 'open'
