-- This change was merged into the base branch of these.
UPDATE changes c SET behind = array_append(c.behind, merged.id)
FROM changes merged JOIN projects p ON p.id = merged.project_id
WHERE merged.id = :id AND merged.state = 'merged' AND merged.repository IS NULL
    AND p.change_rules ->> 'overlap' = 'update'
    AND c.project_id = merged.project_id AND c.state = 'open' AND c.repository IS NULL
    AND c.base_branch = merged.base_branch AND merged.id <> ALL (c.behind)
