-- The branch is compared, because a worker may only ever move the one that it was given.
UPDATE changes SET
    execution_id = :execution_id,
    commit = :commit,
    base_commit = :base_commit,
    body = :body,
    receipt = CASE WHEN repository IS NULL THEN NULL ELSE CAST(:receipt AS jsonb) END,
    diffstat = :diffstat,
    diff = :diff,
    diff_truncated = :diff_truncated,
    compared_at = NULL,
    -- What it still has to be looked at for is found anew.
    attention = NULL,
    version = version + 1,
    updated_at = now()
WHERE id = :id AND state = 'open' AND branch = :branch
