UPDATE tasks SET
    source = :source,
    list_key = coalesce(:list_key, list_key),
    list_digest = coalesce(:list_digest, list_digest),
    -- What it is told came from that task.
    key_member_id = coalesce((SELECT r.key_member_id FROM tasks r WHERE r.id = :resolves), key_member_id),
    resolves = coalesce(:resolves, resolves),
    resume_from = coalesce(:resume_from, resume_from)
WHERE id = :id
