-- A worker that begins anew has forgotten them; one that is being given to somebody just now is passed over.
UPDATE errands SET state = 'requested'
WHERE id IN (SELECT id FROM errands WHERE worker_id = :id AND state = 'assigned' FOR UPDATE SKIP LOCKED)
