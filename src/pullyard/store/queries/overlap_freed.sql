-- Projects in which a task still waits for what is over: nobody told, or who was told has ended.
SELECT DISTINCT t.project_id FROM tasks t
WHERE t.pending_reason = 'overlap'
    AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.id = t.waits_for AND c.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM tasks o WHERE o.id = t.waits_for AND o.state IN ('queued', 'running', 'waiting'))
LIMIT 100
