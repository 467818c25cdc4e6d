-- A project's lanes are those with queued tasks, or more: a claim finds nothing in a lane too many, and the
-- caretaker takes it away.
UPDATE project_queue SET
    queued = queued + :queued,
    running = running + :running,
    lane_ids = CASE
        WHEN queued + :queued = 0 THEN '{}'
        WHEN :queued > 0 AND NOT CAST(:lane_id AS bigint) = ANY (lane_ids) THEN lane_ids || CAST(:lane_id AS bigint)
        ELSE lane_ids
    END
WHERE project_id = :project_id
