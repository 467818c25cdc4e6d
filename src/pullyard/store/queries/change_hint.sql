-- One row where it is to be looked at now.
UPDATE changes SET hinted_at = clock_timestamp(), look_at = now()
WHERE id = :id AND state = 'open' AND url IS NOT NULL
RETURNING id
