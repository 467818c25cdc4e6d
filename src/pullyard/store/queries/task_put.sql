UPDATE tasks t SET
    priority = new.priority,
    position = new.position,
    version = t.version + 1,
    updated_at = now()
FROM unnest(CAST(:ids AS text[]), CAST(:priorities AS integer[]), CAST(:positions AS bigint[]))
    AS new (id, priority, position)
WHERE t.id = new.id
