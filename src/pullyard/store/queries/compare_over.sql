-- What could not be tried is tried again when something has moved.
UPDATE changes c SET compared_at = now()
FROM unnest(CAST(:ids AS text[]), CAST(:commits AS text[])) AS over (id, commit)
WHERE c.id = over.id AND c.commit = over.commit AND c.compared_at IS NULL
