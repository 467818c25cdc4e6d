-- The base branch of this change has moved, and with it what the others of the project are merged into. What is tried
-- just now may be the merge into the branch as it was: see compare_errand_ended.
WITH stale AS (
    UPDATE errands e SET given = e.given || '{"stale": true}'
    FROM changes merged
    WHERE merged.id = :id AND e.project_id = merged.project_id AND e.kind = 'compare' AND e.state = 'assigned'
)
UPDATE changes c SET compared_at = NULL
FROM changes merged
WHERE merged.id = :id AND c.project_id = merged.project_id AND c.state = 'open'
    AND c.base_branch = merged.base_branch AND c.compared_at IS NOT NULL
