UPDATE tasks SET
    title = :title,
    description = :description,
    acceptance_criteria = :acceptance_criteria,
    target_files = :target_files,
    verify_commands = :verify_commands,
    priority = :priority,
    budget_micros = :budget_micros,
    budget_tokens = :budget_tokens,
    base_branch = :base_branch,
    agent = :agent,
    signature = :signature,
    refused_by = NULL,
    key_member_id = CASE WHEN :answers THEN coalesce(CAST(:member_id AS text), '') ELSE key_member_id END,
    version = version + 1,
    updated_at = now()
WHERE id = :id
