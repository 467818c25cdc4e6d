SELECT id, kind, state, worker_id, fence FROM errands WHERE id = :id FOR UPDATE
