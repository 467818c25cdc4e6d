-- Something happened while a worker was looking, and may not be in what it saw; six looks a minute are enough.
UPDATE changes c SET look_at = least(c.look_at, greatest(now(), (
    SELECT greatest(l.created_at, l.assigned_at) + interval '1 minute' FROM errands l
    WHERE l.change_id = c.id AND l.kind = 'look' ORDER BY l.id DESC OFFSET 5 LIMIT 1)))
FROM errands e
WHERE e.id = :errand_id AND c.id = e.change_id AND c.state = 'open' AND c.hinted_at > e.assigned_at
