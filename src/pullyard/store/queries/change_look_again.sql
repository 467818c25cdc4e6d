-- One row where the change is to be looked at now; the longer nothing happened, the more seldom.
UPDATE changes SET look_at = now() + make_interval(secs => least(3600, greatest(
    CAST(:seconds AS double precision), extract(epoch FROM now() - updated_at) / 50)))
WHERE id = :id AND state = 'open' AND url IS NOT NULL AND coalesce(look_at, '-infinity') <= now()
RETURNING id
