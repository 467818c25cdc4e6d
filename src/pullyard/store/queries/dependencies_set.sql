WITH gone AS (
    DELETE FROM task_dependencies WHERE task_id = :task_id AND NOT depends_on = ANY (CAST(:ids AS text[]))
)
INSERT INTO task_dependencies (task_id, depends_on)
SELECT :task_id, unnest(CAST(:ids AS text[]))
ON CONFLICT DO NOTHING
