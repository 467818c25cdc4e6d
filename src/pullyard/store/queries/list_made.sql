UPDATE tasks t SET source = 'list', list_key = made.key, list_digest = made.digest
FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:digests AS text[])) AS made (id, key, digest)
WHERE t.id = made.id
