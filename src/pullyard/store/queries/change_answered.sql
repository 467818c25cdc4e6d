WITH remarks AS (
    INSERT INTO change_remarks (change_id, key, task_id)
    SELECT DISTINCT :change_id, key, :task_id FROM unnest(CAST(:keys AS text[])) AS key
    ON CONFLICT (change_id, key) DO NOTHING
)
UPDATE changes SET rounds = rounds + 1, feedback_digest = NULL, feedback_at = NULL
WHERE id = :change_id
