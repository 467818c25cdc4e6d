DELETE FROM errands WHERE project_id = :project_id AND kind = 'read-issues' AND state IN ('done', 'failed')
    AND created_at < now() - interval '1 hour'
