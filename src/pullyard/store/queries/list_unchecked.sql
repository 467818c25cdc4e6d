-- Delivered, merged or rightly without a change, and not yet said in the list.
SELECT t.id, t.number, t.list_key, c.id AS change_id, c.merged_commit, c.url, t.finished_at
FROM tasks t LEFT JOIN changes c ON c.id = t.change_id
WHERE t.project_id = :project_id AND t.list_key IS NOT NULL AND t.state = 'completed' AND NOT t.list_checked
    AND (t.change_id IS NULL OR c.state = 'merged')
ORDER BY t.number LIMIT 200
