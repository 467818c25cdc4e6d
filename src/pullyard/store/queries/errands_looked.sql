-- What a change's earlier looks have left; a worker may still repeat its report of a late one.
DELETE FROM errands WHERE change_id = :change_id AND kind = 'look' AND state IN ('done', 'failed')
    AND created_at < now() - interval '1 hour'
