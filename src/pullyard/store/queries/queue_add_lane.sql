-- Where a queued task has moved to another lane. The old one may stay: a claim finds nothing there.
UPDATE project_queue SET lane_ids = lane_ids || CAST(:lane_id AS bigint)
WHERE project_id = :project_id AND NOT CAST(:lane_id AS bigint) = ANY (lane_ids)
