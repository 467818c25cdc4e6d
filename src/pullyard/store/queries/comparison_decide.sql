WITH decided AS (
    UPDATE comparisons SET
        chosen_task_id = CAST(:chosen_task_id AS text),
        decided_at = now(),
        decided_how = :decided_how,
        decided_by = CAST(:decided_by AS text)
    WHERE id = :id
    RETURNING id
)
UPDATE tasks t SET undecided = false FROM decided d WHERE t.comparison_id = d.id
