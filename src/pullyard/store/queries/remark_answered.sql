INSERT INTO change_remarks (change_id, key, task_id) VALUES (:change_id, :key, :task_id)
ON CONFLICT (change_id, key) DO NOTHING
