-- The newest of what was answered comes first: a forge that tells all again is cut at its oldest.
SELECT p.forge_events, ARRAY(
    SELECT r.key FROM change_remarks r WHERE r.change_id = c.id ORDER BY r.task_id DESC, r.key LIMIT :limit) AS known
FROM changes c JOIN projects p ON p.id = c.project_id
WHERE c.id = :change_id
