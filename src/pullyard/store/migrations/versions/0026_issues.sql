-- The looks for a project's issues, the newest of which it shows.
CREATE INDEX errands_of_issues ON errands (project_id, created_at) WHERE kind = 'read-issues';
