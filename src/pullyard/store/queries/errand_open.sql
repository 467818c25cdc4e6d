SELECT id, kind, state, message, created_at FROM errands
WHERE change_id = :change_id AND state IN ('requested', 'assigned')
