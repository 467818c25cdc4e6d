SELECT c.commit, c.title, c.rounds, c.feedback_digest, p.forge_events,
    coalesce(extract(epoch FROM now() - c.feedback_at), 0) AS quiet_seconds,
    ARRAY(SELECT key FROM change_remarks r WHERE r.change_id = c.id AND r.key = ANY (CAST(:keys AS text[]))) AS known,
    newest.number, newest.state AS task_state, newest.change_id
FROM changes c JOIN projects p ON p.id = c.project_id
LEFT JOIN LATERAL (
    SELECT t.number, t.state, t.change_id FROM tasks t
    WHERE t.responds_to = c.id ORDER BY t.id DESC LIMIT 1
) newest ON true
WHERE c.id = :change_id
