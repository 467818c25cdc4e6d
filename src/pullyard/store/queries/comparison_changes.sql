-- The open changes of its candidates but the chosen one; the errand is the newest that a person can ask for.
SELECT c.id, newest.state AS errand_state
FROM tasks t
JOIN task_executions e ON e.task_id = t.id
JOIN changes c ON c.execution_id = e.id AND c.task_id = t.id
LEFT JOIN LATERAL (
    SELECT r.state FROM errands r WHERE r.change_id = c.id AND r.kind <> 'look' ORDER BY r.id DESC LIMIT 1
) newest ON true
WHERE t.comparison_id = :id AND t.id IS DISTINCT FROM CAST(:chosen_task_id AS text) AND c.state = 'open'
ORDER BY c.id
