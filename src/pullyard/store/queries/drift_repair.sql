UPDATE project_queue SET queued = :queued, running = :running, lane_ids = :lane_ids WHERE project_id = :project_id
