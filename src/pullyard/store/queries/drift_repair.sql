UPDATE project_queue SET queued = :queued, running = :running, active = :active, lane_ids = :lane_ids
WHERE project_id = :project_id
