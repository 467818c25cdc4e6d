-- One row where another worker that is here could do it and has not refused it, too, of late.
UPDATE errands e SET
    state = 'requested',
    refused_by = array_append(before.workers, CAST(:worker_id AS text)),
    refused_until = now() + make_interval(secs => CAST(:seconds AS double precision))
FROM (
    SELECT CASE WHEN refused_by IS NOT NULL AND refused_until > now() THEN refused_by ELSE '{}' END AS workers
    FROM errands WHERE id = :id
) before
WHERE e.id = :id AND EXISTS (
    SELECT 1 FROM workers w
    WHERE w.tenant_id = e.tenant_id AND w.state IN ('idle', 'busy') AND w.protocol_version >= :least_version
        AND w.id <> CAST(:worker_id AS text) AND w.id <> ALL (before.workers)
)
RETURNING e.id
