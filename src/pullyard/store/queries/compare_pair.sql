-- The answer is what was known before.
WITH before AS (
    SELECT files, total FROM change_conflicts WHERE one_id = :one_id AND other_id = :other_id
), written AS (
    INSERT INTO change_conflicts (one_id, other_id, one_commit, other_commit, files, total)
    VALUES (:one_id, :other_id, :one_commit, :other_commit, CAST(:files AS jsonb), :total)
    ON CONFLICT (one_id, other_id) DO UPDATE SET
        one_commit = excluded.one_commit,
        other_commit = excluded.other_commit,
        files = excluded.files,
        total = excluded.total,
        compared_at = now()
)
SELECT total, files FROM before
