-- The base branch of this change has moved, and with it what the others of the project are merged into.
UPDATE changes c SET compared_at = NULL
FROM changes merged
WHERE merged.id = :id AND c.project_id = merged.project_id AND c.state = 'open'
    AND c.base_branch = merged.base_branch AND c.compared_at IS NOT NULL
