UPDATE changes SET
    behind = '{}',
    update_task_id = :task_id,
    updated_for = CAST(:because_of AS text[]),
    updates = updates + 1,
    version = version + 1,
    updated_at = now()
WHERE id = :id
