INSERT INTO tasks (id, tenant_id, project_id, number, title, description, acceptance_criteria, target_files,
    verify_commands, priority, labels, lane_id, budget_micros, base_branch, agent, state, pending_reason, queued_at)
VALUES (:id, :tenant_id, :project_id, :number, :title, :description, :acceptance_criteria, :target_files,
    :verify_commands, :priority, :labels, :lane_id, :budget_micros, :base_branch, :agent, :state, :pending_reason,
    CASE WHEN CAST(:pending_reason AS text) IS NULL THEN now() END)
