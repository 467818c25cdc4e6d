UPDATE projects SET next_task_number = next_task_number + 1 WHERE id = :id
RETURNING next_task_number - 1 AS number, labels
