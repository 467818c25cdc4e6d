-- Not where it has another commit meanwhile: that is to be tried, too. The answer is what was known before.
UPDATE changes c SET
    compared_at = now(),
    base_conflicts = jsonb_build_object('commit', c.commit, 'files', CAST(:files AS jsonb), 'total', CAST(:total AS integer))
FROM (SELECT id, base_conflicts FROM changes WHERE id = :id) old
WHERE c.id = old.id AND c.commit = :commit
RETURNING coalesce(CAST(old.base_conflicts ->> 'total' AS integer), 0) AS total,
    coalesce(old.base_conflicts -> 'files', '[]') AS files
