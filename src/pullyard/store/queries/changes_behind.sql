-- Changes of which it can be told now whether what was merged first matters to them: it touches the same files, or
-- a trial merge into the base branch has shown the rest. Not where somebody works on the change, or it is one of
-- several candidates and not the chosen one, or a person was asked because it was brought up to date so often. Those
-- after :after come first: however many can't be brought up to date now, the others get their turn.
WITH late AS (
    SELECT c.id, c.tenant_id, c.project_id, c.task_id, c.execution_id, c.title, c.base_branch, c.updates,
        p.forge_events, c.compared_at IS NOT NULL AS compared,
        coalesce(c.base_conflicts ->> 'commit' = c.commit
            AND CAST(c.base_conflicts ->> 'total' AS integer) > 0, false) AS conflicts,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'number', mt.number, 'title', m.title,
            'shares', EXISTS (
                SELECT 1 FROM jsonb_array_elements(m.diffstat -> 'files') theirs
                JOIN jsonb_array_elements(c.diffstat -> 'files') ours ON ours ->> 'path' = theirs ->> 'path'
            )) ORDER BY m.id), '[]')
            FROM changes m JOIN tasks mt ON mt.id = m.task_id WHERE m.id = ANY (c.behind)
                -- What was merged before the newest update began came with that.
                AND (u.state IS DISTINCT FROM 'completed' OR m.updated_at >= (
                    SELECT min(e.assigned_at) FROM task_executions e WHERE e.task_id = u.id))) AS merged
    FROM changes c JOIN projects p ON p.id = c.project_id JOIN tasks t ON t.id = c.task_id
    LEFT JOIN tasks u ON u.id = c.update_task_id
    WHERE c.state = 'open' AND c.behind <> '{}' AND p.change_rules ->> 'overlap' = 'update'
        AND (t.comparison_id IS NULL OR EXISTS (
            SELECT 1 FROM comparisons k WHERE k.id = t.comparison_id AND k.chosen_task_id = t.id))
        AND (CAST(:id AS text) IS NULL OR c.id = :id)
        AND (c.attention IS NULL OR c.updates < CAST(coalesce(p.forge_events ->> 'rounds', '3') AS integer))
        AND NOT EXISTS (SELECT 1 FROM tasks r WHERE r.responds_to = c.id AND r.finished_at IS NULL)
)
SELECT * FROM late WHERE compared OR merged = '[]' OR jsonb_path_exists(merged, '$[*] ? (@.shares == true)')
ORDER BY id <= :after, id LIMIT CAST(:most AS integer)
