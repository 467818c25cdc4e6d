-- As quota_close.sql does it, for the task whose execution ended of the limit.
UPDATE tasks SET
    refused_by = CASE WHEN refused_until > now() THEN array_append(array_remove(refused_by, CAST(:worker_id AS text)),
        CAST(:worker_id AS text)) ELSE ARRAY[CAST(:worker_id AS text)] END,
    refused_until = greatest(coalesce(refused_until, now()), now() + make_interval(secs => CAST(:seconds AS double precision))),
    quota_until = now() + make_interval(secs => CAST(:seconds AS double precision))
WHERE id = :id
