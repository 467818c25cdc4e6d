UPDATE tasks SET
    source = :source,
    list_key = coalesce(:list_key, list_key),
    list_digest = coalesce(:list_digest, list_digest),
    resolves = coalesce(:resolves, resolves),
    resume_from = coalesce(:resume_from, resume_from)
WHERE id = :id
