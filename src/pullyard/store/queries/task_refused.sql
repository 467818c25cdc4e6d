-- One row where another worker that is here could take the task and has not refused it, too, of late.
UPDATE tasks t SET
    refused_by = array_append(before.workers, CAST(:worker_id AS text)),
    refused_until = now() + make_interval(secs => CAST(:seconds AS double precision))
FROM lanes l, LATERAL (
    SELECT CASE WHEN t.refused_by IS NOT NULL AND t.refused_until > now() THEN t.refused_by ELSE '{}' END AS workers
    FROM tasks t WHERE t.id = :id
) before
WHERE t.id = :id AND l.id = t.lane_id AND cardinality(before.workers) < :most
    AND EXISTS (
        SELECT 1 FROM workers w
        WHERE w.tenant_id = l.tenant_id AND w.state IN ('idle', 'busy') AND l.labels <@ w.labels
            AND w.id <> CAST(:worker_id AS text) AND w.id <> ALL (before.workers)
    )
RETURNING t.id
