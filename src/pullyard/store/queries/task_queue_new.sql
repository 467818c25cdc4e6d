UPDATE tasks SET state = 'queued', pending_reason = NULL, queued_at = now() WHERE id = :id
