SELECT c.commit, c.title, c.rounds, c.feedback_digest, p.forge_events,
    coalesce(extract(epoch FROM now() - c.feedback_at), 0) AS quiet_seconds,
    ARRAY(SELECT key FROM change_remarks r WHERE r.change_id = c.id AND r.key = ANY (CAST(:keys AS text[]))) AS known,
    newest.number, newest.state AS task_state, newest.change_id, c.base_branch,
    -- It is no answer to anybody that a change is brought up to date.
    u.number AS update_number, u.state AS update_state, c.behind <> '{}' AS behind, c.updates
FROM changes c JOIN projects p ON p.id = c.project_id
LEFT JOIN LATERAL (
    SELECT t.number, t.state, t.change_id FROM tasks t
    WHERE t.responds_to = c.id AND t.workflow <> 'change-update' ORDER BY t.id DESC LIMIT 1
) newest ON true
LEFT JOIN tasks u ON u.id = c.update_task_id
WHERE c.id = :change_id
