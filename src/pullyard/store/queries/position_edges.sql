-- The highest and the lowest priority of those that wait, whatever they wait for.
SELECT max(priority) AS highest, min(priority) AS lowest FROM tasks
WHERE project_id = :project_id AND state IN ('queued', 'pending') AND NOT id = ANY (CAST(:without AS text[]))
