-- One row where it is news.
UPDATE changes SET attention = :attention, version = version + 1, updated_at = now()
WHERE id = :change_id AND attention IS DISTINCT FROM CAST(:attention AS text)
RETURNING id
