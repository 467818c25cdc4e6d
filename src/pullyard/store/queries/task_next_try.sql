-- What is avoided is one worker, and only where another that is here could take the task.
UPDATE tasks t SET
    resume_from = CASE
        WHEN CAST(:execution_id AS text) IS NOT NULL THEN :execution_id
        WHEN NOT :counts THEN t.resume_from
    END,
    avoid_worker_id = other.avoided,
    avoid_until = CASE WHEN other.avoided IS NOT NULL
        THEN now() + make_interval(secs => CAST(:seconds AS double precision)) END
FROM lanes l
LEFT JOIN LATERAL (
    SELECT CAST(:worker_id AS text) AS avoided FROM workers w
    WHERE w.tenant_id = l.tenant_id AND w.id <> CAST(:worker_id AS text) AND w.state IN ('idle', 'busy')
        AND l.labels <@ w.labels
    LIMIT 1
) other ON true
WHERE t.id = :id AND l.id = t.lane_id
