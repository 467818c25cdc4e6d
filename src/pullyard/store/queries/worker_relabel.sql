-- What a worker's version can do is a label too, one that only newer versions have. No row where nothing changed.
UPDATE workers w SET labels = wanted.labels
FROM (
    SELECT id, CASE
        WHEN protocol_version >= :workflow_version THEN CAST(:newer AS text[]) ELSE CAST(:older AS text[])
    END AS labels
    FROM workers WHERE id = :id AND tenant_id = :tenant_id FOR UPDATE
) wanted
WHERE w.id = wanted.id AND w.labels <> wanted.labels
RETURNING w.id
