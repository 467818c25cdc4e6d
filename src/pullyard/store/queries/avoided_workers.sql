-- Sets of these workers that a queued task had better not run on, or that refused it.
WITH waiting AS (
    SELECT avoid_worker_id, avoid_until, refused_by, refused_until FROM tasks
    WHERE tenant_id = CAST(:tenant_id AS text) AND state = 'queued' AND avoid_worker_id = ANY (CAST(:worker_ids AS text[]))
        AND avoid_until > now()
    UNION ALL
    SELECT avoid_worker_id, avoid_until, refused_by, refused_until FROM tasks
    WHERE tenant_id = CAST(:tenant_id AS text) AND state = 'queued' AND refused_by && CAST(:worker_ids AS text[])
        AND refused_until > now()
)
SELECT DISTINCT ARRAY(
    SELECT w FROM unnest(CAST(:worker_ids AS text[])) AS w
    WHERE (w = avoid_worker_id AND avoid_until > now()) OR (w = ANY (refused_by) AND refused_until > now())
) AS worker_ids
FROM waiting
