-- One row where a worker looks for labelled issues, which it is to do now.
UPDATE projects SET issues_at = NULL WHERE id = :project_id AND forge_events ->> 'poll_issues' = 'true'
RETURNING id
