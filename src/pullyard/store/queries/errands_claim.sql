-- One that a worker refused is for another of these, if there is one, who may then get two.
--
-- One that was given to a question which is asked again was lost on its way: its worker has dropped it.
--
-- A worker whose protocol is older can't read the kinds that came later, so it is given none of them.
WITH open AS (
    SELECT id, CASE WHEN refused_until > now() THEN refused_by END AS refused_by FROM errands
    WHERE tenant_id = :tenant_id AND kind = ANY (CAST(:kinds AS text[])) AND (state = 'requested'
        OR (state = 'assigned' AND (request_id = ANY (CAST(:request_ids AS text[]))
            OR assigned_at < now() - make_interval(secs => CAST(:again_seconds AS double precision)))))
        AND (refused_by IS NULL OR refused_until <= now() OR EXISTS (
            SELECT 1 FROM unnest(CAST(:worker_ids AS text[])) AS w WHERE w <> ALL (refused_by)))
    ORDER BY id LIMIT :slots
    FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT id, refused_by, row_number() OVER () AS slot FROM open
), given AS (
    UPDATE errands e SET
        state = 'assigned',
        worker_id = CASE WHEN n.refused_by IS NULL THEN (CAST(:worker_ids AS text[]))[n.slot] ELSE (
            SELECT w FROM unnest(CAST(:worker_ids AS text[])) AS w WHERE w <> ALL (n.refused_by) LIMIT 1) END,
        fence = nextval('fences'),
        request_id = CASE WHEN n.refused_by IS NULL THEN (CAST(:request_ids AS text[]))[n.slot] END,
        assigned_at = now()
    FROM numbered n WHERE e.id = n.id
    RETURNING e.id, e.project_id, e.change_id, e.kind, e.fence, e.worker_id
)
SELECT g.id, g.project_id, g.change_id, g.kind, g.fence, g.worker_id, c.branch, c.base_branch, c.commit, c.title,
    coalesce(c.repository_url, p.repository) AS repository,
    CASE WHEN c.repository IS NULL THEN p.forge ELSE coalesce((
        SELECT one ->> 'forge' FROM tasks t, jsonb_array_elements(t.repositories) one
        WHERE t.id = c.task_id AND one ->> 'name' = c.repository), 'auto') END AS forge, p.default_branch, l.path, l.blob
FROM given g
JOIN projects p ON p.id = g.project_id
LEFT JOIN changes c ON c.id = g.change_id
LEFT JOIN task_lists l ON l.project_id = g.project_id AND g.change_id IS NULL
