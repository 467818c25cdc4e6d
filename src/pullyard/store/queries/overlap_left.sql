-- Those of a project's tasks that wait in vain, as in overlap_freed.sql, and that no look at all of them has seen.
SELECT t.id FROM tasks t
WHERE t.project_id = :project_id AND t.pending_reason = 'overlap' AND t.id <> ALL (CAST(:seen AS text[]))
    AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.id = t.waits_for AND c.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM tasks o JOIN project_queue q ON q.project_id = o.project_id
        WHERE o.id = t.waits_for AND (o.state IN ('running', 'waiting')
            OR o.state = 'queued' AND (o.project_id = t.project_id OR q.active AND EXISTS (
                SELECT 1 FROM lanes l JOIN workers w ON w.tenant_id = l.tenant_id AND l.labels <@ w.labels
                WHERE l.id = o.lane_id AND w.state NOT IN ('offline', 'quarantined')))))
ORDER BY t.priority DESC, t.position, t.id LIMIT CAST(:most AS integer)
