-- The failed task waits for the new one, and for no earlier try of the same.
WITH counted AS (
    UPDATE tasks SET resolutions = resolutions + 1 WHERE id = :id
), gone AS (
    DELETE FROM task_dependencies WHERE task_id = :id AND depends_on = :earlier
)
INSERT INTO task_dependencies (task_id, depends_on) VALUES (:id, :resolution)
