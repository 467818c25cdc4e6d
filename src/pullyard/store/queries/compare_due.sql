-- The merges to try among the newest open changes of a project: each into its base branch, and each two that may
-- both be merged into one, as far as they were not tried at the commits that they have now.
WITH newest AS (
    SELECT c.id, c.base_branch, c.commit, c.compared_at, t.comparison_id FROM changes c JOIN tasks t ON t.id = c.task_id
    WHERE c.project_id = :project_id AND c.state = 'open' AND c.repository IS NULL
        AND c.diffstat -> 'files' <> '[]'
    ORDER BY c.id DESC LIMIT CAST(:most AS integer)
)
SELECT id AS one_id, NULL AS other_id, commit AS one_commit, '' AS other_commit, base_branch
FROM newest WHERE compared_at IS NULL
UNION ALL
SELECT one.id, other.id, one.commit, other.commit, one.base_branch
FROM newest one JOIN newest other ON one.id < other.id AND one.base_branch = other.base_branch
    AND (one.comparison_id IS NULL OR one.comparison_id IS DISTINCT FROM other.comparison_id)
LEFT JOIN change_conflicts k ON k.one_id = one.id AND k.other_id = other.id
    AND k.one_commit = one.commit AND k.other_commit = other.commit
WHERE k.one_id IS NULL
