SELECT id FROM tasks WHERE responds_to = :change_id AND finished_at IS NULL LIMIT 1
