WITH open AS (
    SELECT id FROM errands
    WHERE tenant_id = :tenant_id AND (state = 'requested' OR (state = 'assigned'
        AND assigned_at < now() - make_interval(secs => CAST(:again_seconds AS double precision))))
    ORDER BY id LIMIT :slots
    FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT id, row_number() OVER () AS slot FROM open
), given AS (
    UPDATE errands e SET
        state = 'assigned',
        worker_id = (CAST(:worker_ids AS text[]))[n.slot],
        fence = nextval('fences'),
        assigned_at = now()
    FROM numbered n WHERE e.id = n.id
    RETURNING e.id, e.change_id, e.kind, e.fence, e.worker_id
)
SELECT g.id, g.change_id, g.kind, g.fence, g.worker_id, c.branch, c.base_branch, c.commit, c.title,
    coalesce(c.repository_url, p.repository) AS repository, p.forge
FROM given g JOIN changes c ON c.id = g.change_id JOIN projects p ON p.id = c.project_id
