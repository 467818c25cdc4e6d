-- What decides when a task may run, and on how many tries; the lane goes with the labels.
UPDATE tasks SET
    draft = :draft,
    start_at = :start_at,
    retry = :retry,
    labels = :labels,
    lane_id = :lane_id
WHERE id = :id
