UPDATE tasks SET comparison_heard = true
WHERE comparison_id = :id AND NOT comparison_heard AND state IN ('completed', 'failed', 'cancelled')
RETURNING id
