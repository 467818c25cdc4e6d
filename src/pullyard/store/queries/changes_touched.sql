-- Of the project's own repository: its webhooks tell of no other.
SELECT id FROM changes
WHERE tenant_id = :tenant_id AND project_id = :project_id AND repository IS NULL AND state = 'open'
    AND url IS NOT NULL
    AND (url = ANY (CAST(:urls AS text[])) OR branch = ANY (CAST(:branches AS text[]))
        OR commit = ANY (CAST(:commits AS text[])))
ORDER BY id DESC LIMIT :limit
