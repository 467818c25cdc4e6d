UPDATE tasks SET overlap_allowed = true, waits_for = NULL WHERE id = :id
