-- Something happened while a worker was looking, and may not be in what it saw.
UPDATE changes c SET look_at = now()
FROM errands e
WHERE e.id = :errand_id AND c.id = e.change_id AND c.state = 'open' AND c.hinted_at > e.assigned_at
