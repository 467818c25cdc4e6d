-- One row where the project's issues are to be looked at now, and nobody looks already.
UPDATE projects p SET issues_at = now() + make_interval(secs => CAST(:seconds AS double precision))
WHERE p.id = :project_id AND coalesce(p.issues_at, '-infinity') <= now() AND NOT EXISTS (
    SELECT 1 FROM errands e
    WHERE e.project_id = p.id AND e.kind = 'read-issues' AND e.state IN ('requested', 'assigned'))
RETURNING p.id
