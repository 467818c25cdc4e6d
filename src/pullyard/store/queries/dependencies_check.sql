WITH RECURSIVE reached (origin, id) AS (
    SELECT id, id FROM tasks WHERE project_id = :project_id AND id = ANY (CAST(:ids AS text[]))
    UNION
    SELECT r.origin, d.depends_on FROM reached r JOIN task_dependencies d ON d.task_id = r.id
)
SELECT t.id, t.number, t.state, t.undecided,
    t.comparison_id IS NOT NULL AND NOT t.undecided AND NOT EXISTS (
        SELECT 1 FROM comparisons c WHERE c.id = t.comparison_id AND c.chosen_task_id = t.id) AS not_chosen,
    EXISTS (SELECT 1 FROM reached r WHERE r.origin = t.id AND r.id = :task_id) AS waits_for_task
FROM tasks t WHERE t.project_id = :project_id AND t.id = ANY (CAST(:ids AS text[]))
