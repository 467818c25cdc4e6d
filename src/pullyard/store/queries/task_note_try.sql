UPDATE tasks SET
    tries = tries + CASE WHEN :counted THEN 1 ELSE 0 END,
    uncounted_tries = uncounted_tries + CASE WHEN :counted THEN 0 ELSE 1 END,
    change_id = coalesce(:change_id, change_id)
WHERE id = :id
