SELECT t.id, t.number, t.slug, t.repositories, t.workflow, t.responds_to, c.branch AS change_branch
FROM tasks t LEFT JOIN changes c ON c.id = t.responds_to
WHERE t.id = :id
