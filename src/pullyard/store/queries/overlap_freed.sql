-- Projects in which a task still waits for what is over, or for what another project has queued and nobody takes:
-- nobody told, or who was told has ended. Any of them, so that none is last for ever.
SELECT project_id FROM (
    SELECT DISTINCT t.project_id FROM tasks t
    WHERE t.pending_reason = 'overlap'
        AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.id = t.waits_for AND c.state = 'open')
        AND NOT EXISTS (SELECT 1 FROM tasks o JOIN project_queue q ON q.project_id = o.project_id
            WHERE o.id = t.waits_for AND (o.state IN ('running', 'waiting')
                OR o.state = 'queued' AND (o.project_id = t.project_id OR q.active AND EXISTS (
                    SELECT 1 FROM lanes l JOIN workers w ON w.tenant_id = l.tenant_id AND l.labels <@ w.labels
                    WHERE l.id = o.lane_id AND w.state NOT IN ('offline', 'quarantined')))))
) AS freed
ORDER BY random() LIMIT 100
