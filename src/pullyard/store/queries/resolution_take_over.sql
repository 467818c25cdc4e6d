-- The task that failed goes on from what its resolution published.
UPDATE tasks t SET resume_from = r.execution_id
FROM tasks r
WHERE r.id = :resolution AND t.id = r.resolves AND t.state = 'pending' AND r.change_id IS NOT NULL
