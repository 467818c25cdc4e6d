WITH project AS (
    INSERT INTO projects (id, tenant_id, name, repository, forge, default_branch, agent, setup_commands,
        verify_commands, limits, retry, text_policy, automation_policy, labels,
        workflow_nodes, isolation, automation, change_rules, forge_events)
    VALUES (:id, :tenant_id, :name, :repository, :forge, :default_branch, :agent, :setup_commands,
        :verify_commands, :limits, :retry, :text_policy, :automation_policy, :labels,
        :workflow_nodes, :isolation, :automation, :change_rules, :forge_events)
    RETURNING id, tenant_id
)
INSERT INTO project_queue (project_id, tenant_id, max_running)
SELECT id, tenant_id, :max_running FROM project
