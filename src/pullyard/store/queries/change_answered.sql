WITH remarks AS (
    INSERT INTO change_remarks (change_id, key, task_id)
    SELECT :change_id, key, :task_id FROM unnest(CAST(:keys AS text[])) AS key
)
UPDATE changes SET rounds = rounds + 1, feedback_digest = NULL, feedback_at = NULL
WHERE id = :change_id
