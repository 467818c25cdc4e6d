-- One row where it is to be looked at soon: now, unless that was done six times within the last minute.
UPDATE changes c SET hinted_at = clock_timestamp(), look_at = least(c.look_at, greatest(now(), (
    SELECT greatest(e.created_at, e.assigned_at) + interval '1 minute' FROM errands e
    WHERE e.change_id = c.id AND e.kind = 'look' ORDER BY e.id DESC OFFSET 5 LIMIT 1)))
WHERE c.id = :id AND c.state = 'open' AND c.url IS NOT NULL
RETURNING c.id
