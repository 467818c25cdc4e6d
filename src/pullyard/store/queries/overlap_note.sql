UPDATE tasks SET overlapping = CAST(:overlaps AS jsonb), waits_for = CAST(:waits_for AS text)
WHERE id = :id AND (overlapping <> CAST(:overlaps AS jsonb) OR waits_for IS DISTINCT FROM CAST(:waits_for AS text))
RETURNING id
