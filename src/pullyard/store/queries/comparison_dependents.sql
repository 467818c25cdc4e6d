-- What waits for any of the candidates waits for the chosen one from here on.
WITH waiting AS (
    DELETE FROM task_dependencies d USING tasks t
    WHERE t.comparison_id = :id AND d.depends_on = t.id AND t.id <> :chosen_task_id
    RETURNING d.task_id
)
INSERT INTO task_dependencies (task_id, depends_on)
SELECT DISTINCT task_id, CAST(:chosen_task_id AS text) FROM waiting
ON CONFLICT DO NOTHING
