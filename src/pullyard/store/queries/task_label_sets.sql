SELECT DISTINCT t.labels, t.member_id, p.labels AS project_labels
FROM tasks t JOIN projects p ON p.id = t.project_id
WHERE t.project_id = :project_id
